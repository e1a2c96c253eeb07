-- Users of Clerk that this installation has heard of, and the accounts that stand for them.
CREATE TABLE clerk_users (
    id           text PRIMARY KEY,       -- Clerk's own
    account_id   uuid UNIQUE REFERENCES accounts ON DELETE SET NULL,
    -- Whether the account was made for this user, or had been here before.
    made_account boolean NOT NULL DEFAULT false,
    -- When Clerk changed the user, and when it said so. What is older counts no more.
    updated_at   timestamptz NOT NULL,
    sent_at      timestamptz NOT NULL,
    -- For good, and so is its row: a late update must not bring the user back.
    deleted      boolean NOT NULL DEFAULT false,
    -- The event that cannot be applied while somebody else has its address.
    waiting      text
);
CREATE INDEX clerk_users_waiting ON clerk_users (id) WHERE waiting IS NOT NULL;
