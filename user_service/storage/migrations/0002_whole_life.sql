-- The account's whole life: refreshed sessions, recovery, administration, other services.

ALTER TABLE accounts
    ALTER COLUMN password_hash DROP NOT NULL,   -- none: recovery sets one
    ADD COLUMN role text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
    -- +1 with every change of password or address: what was asked for before it counts no more.
    ADD COLUMN epoch integer NOT NULL DEFAULT 0,
    -- The recovery that set the password in use: told from others when its request is repeated.
    ADD COLUMN password_challenge text,
    -- The challenge whose code moves the account to another address, or has moved it last.
    ADD COLUMN address_challenge text;

-- How many usernames an account has claimed: none of them is given to anybody else.
CREATE INDEX claimed_usernames_by_account ON claimed_usernames (account_id);

-- Administrators search by the beginning, and page from the newest.
CREATE INDEX accounts_by_email_prefix ON accounts (email text_pattern_ops);
CREATE INDEX accounts_by_username_prefix ON accounts (username text_pattern_ops);
CREATE INDEX accounts_by_age ON accounts (created_at, id);
CREATE INDEX accounts_disabled ON accounts (created_at, id) WHERE status = 'disabled';
CREATE INDEX accounts_admins ON accounts (created_at, id) WHERE role = 'admin';

-- A verification that is repeated after its account was deleted must not bring it back.
CREATE TABLE deleted_accounts (
    id         uuid PRIMARY KEY,
    deleted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX deleted_accounts_by_time ON deleted_accounts (deleted_at);

-- What is written for a request about an address that has no account: it must cost the same.
CREATE TABLE nobody (
    bucket  integer PRIMARY KEY,
    version bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO nobody SELECT bucket, 0 FROM generate_series(0, 255) AS bucket;

-- What a device calls itself, without its versions: an update makes no other device of it.
CREATE FUNCTION without_versions(user_agent text) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN regexp_replace(user_agent, '[0-9._]+', '', 'g');

-- A session's refresh tokens are `id, generation, secret` under a MAC. A refresh touches no index.
ALTER TABLE sessions
    ADD COLUMN device text GENERATED ALWAYS AS (without_versions(user_agent)) STORED,
    ADD COLUMN secret_digest bytea,             -- none: opened before there were refresh tokens
    ADD COLUMN generation integer NOT NULL DEFAULT 0,
    -- When it was refreshed, latest first, for as long as a lost answer may be asked for again.
    ADD COLUMN refreshes timestamptz[] NOT NULL DEFAULT '{}',
    -- However often it is refreshed; expires_at comes earlier unless it is.
    ADD COLUMN ends_by timestamptz;
UPDATE sessions SET ends_by = expires_at;
ALTER TABLE sessions ALTER COLUMN ends_by SET NOT NULL, SET (fillfactor = 80);
DROP INDEX sessions_by_account, sessions_by_end;
CREATE INDEX sessions_by_account ON sessions (account_id, created_at);
-- The oldest of too many is looked for at every login, and some accounts log in all day.
CREATE INDEX sessions_not_ended ON sessions (account_id, created_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_end ON sessions (least(ended_at, ends_by));

ALTER TABLE outbox
    ADD COLUMN decoy boolean NOT NULL DEFAULT false,  -- written like an event, never produced
    ADD COLUMN erase boolean NOT NULL DEFAULT false;  -- forget personal fields once it is produced
CREATE INDEX outbox_by_key ON outbox (key, topic, created_at);
-- What an event says about an account that is gone: everything but who the person was.
CREATE FUNCTION without_personal_fields(payload text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT json_object_agg(key, CASE
        WHEN key IN ('email', 'name', 'username', 'address', 'facts') THEN 'null'::json
        ELSE value END)::text
    FROM json_each(payload::json)
$$;

CREATE TABLE audit (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    account_id uuid,                    -- whom it is about; none: nobody has that address
    actor      text NOT NULL CHECK (actor IN ('self', 'admin', 'operator', 'service', 'system')),
    actor_id   text,                    -- the admin's account, the operator's or the service's name
    action     text NOT NULL,
    outcome    text NOT NULL CHECK (outcome IN ('done', 'refused')),
    address    inet,                    -- where the request came from
    detail     text NOT NULL DEFAULT ''
);
CREATE INDEX audit_by_account ON audit (account_id, id);
CREATE INDEX audit_by_time ON audit (at);

-- Services that may introspect and revoke tokens.
CREATE TABLE clients (
    id            text PRIMARY KEY,
    secret_digest bytea NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- Events of other services: each is applied once.
CREATE TABLE applied_events (
    source     text NOT NULL,
    event_id   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, event_id)
);
CREATE INDEX applied_events_by_time ON applied_events (applied_at);
-- None of them undoes a later change, be it theirs or ours.
CREATE TABLE account_changes (
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('name', 'status')),
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, kind)
);

-- A key signs from its own moment until the next one's, and is published before. A rotation is one
-- row, so that none can be left half done.
ALTER TABLE signing_keys ADD COLUMN signs_from timestamptz NOT NULL DEFAULT now(), DROP COLUMN retired_at;
UPDATE signing_keys SET signs_from = created_at;
