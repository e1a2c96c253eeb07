-- Whether a password was ever chosen here, or withdrawn: not before, of an account that was imported
-- or made for a user of Clerk. From then on nobody else decides on the account.
ALTER TABLE accounts ADD COLUMN password_chosen boolean NOT NULL DEFAULT true;

-- Users of Clerk that this installation has heard of, and the accounts that stand for them.
CREATE TABLE clerk_users (
    id           text PRIMARY KEY,       -- Clerk's own
    account_id   uuid UNIQUE REFERENCES accounts ON DELETE SET NULL,
    -- Whether the account was made for this user, or had been here before.
    made_account boolean NOT NULL DEFAULT false,
    -- The newest that Clerk has said, each part with the times of the message that said it: when
    -- the user changed, and when that was told. What is older counts no more.
    name         text,
    username     text,
    updated_at   timestamptz NOT NULL,
    sent_at      timestamptz NOT NULL,
    email        text,                   -- canonical; none: never a verified one
    email_updated_at timestamptz,
    email_sent_at    timestamptz,
    -- The address belongs to another account here: it is looked at again and again.
    contested    boolean NOT NULL DEFAULT false,
    -- For good, and so is its row: a late message must not bring the user back.
    deleted      boolean NOT NULL DEFAULT false
);
CREATE INDEX clerk_users_contested ON clerk_users (id) WHERE contested;
