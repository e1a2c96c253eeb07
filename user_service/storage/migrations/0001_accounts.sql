-- Accounts, their sessions, the outbox of events, and the keys that sign access tokens.

CREATE TABLE accounts (
    id            uuid PRIMARY KEY,
    email         text NOT NULL UNIQUE,   -- canonical: lower-case local part, IDNA domain
    username      text UNIQUE,
    name          text NOT NULL,
    password_hash text NOT NULL,          -- Argon2id, PHC string
    status        text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    version       bigint NOT NULL,        -- +1 with every event of this account
    created_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 90);                 -- a login updates `version` in place

-- Every username ever held: a freed one is never given out again.
CREATE TABLE claimed_usernames (
    username   text PRIMARY KEY,
    account_id uuid NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now()
);

-- A session is the family of its refresh tokens: ending it ends all of them.
CREATE TABLE sessions (
    id           uuid PRIMARY KEY DEFAULT uuidv7(),
    account_id   uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    address      inet NOT NULL,
    user_agent   text NOT NULL
);
CREATE INDEX sessions_by_account ON sessions (account_id);
CREATE INDEX sessions_by_end ON sessions (least(ended_at, expires_at));

CREATE TABLE outbox (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id        uuid NOT NULL DEFAULT gen_random_uuid(),
    topic           text NOT NULL,        -- without the installation's prefix
    key             text NOT NULL,
    payload         text NOT NULL,        -- JSON, as it is produced
    created_at      timestamptz NOT NULL DEFAULT now(),
    acknowledged_at timestamptz
);
CREATE INDEX outbox_pending ON outbox (id) WHERE acknowledged_at IS NULL;
CREATE INDEX outbox_acknowledged ON outbox (acknowledged_at) WHERE acknowledged_at IS NOT NULL;

CREATE TABLE signing_keys (
    kid            text PRIMARY KEY,
    algorithm      text NOT NULL,
    public_key     text NOT NULL,         -- PEM
    sealed_private bytea NOT NULL,        -- AES-256-GCM under the master key
    created_at     timestamptz NOT NULL DEFAULT now(),
    retired_at     timestamptz
);
