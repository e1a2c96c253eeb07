"""What an installation holds after some years, as the statements that fill its tables.

$1 is how many accounts there are, $2 how many sessions. Everybody's password is the tests' usual
one. A session's secret is its id, twice: its refresh tokens can be written by whoever knows the
master key.
"""

from __future__ import annotations

from argon2 import PasswordHasher

from tests.people import PASSWORD

HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
# The first hundredth came in one import, with addresses that begin alike: old, and all together.
IMPORTED = "imported-"
FIRST = "Ana,Ben,Chloe,David,Elif,Farid,Grace,Hugo,Ines,Jonas,Karin,Luca,Maria,Noah,Olga,Paul"
LAST = "Almeida,Becker,Costa,Dubois,Eriksen,Fischer,Garcia,Haddad,Ivanov,Jensen,Kowalski,Lopez"
DOMAINS = "mail.example,mail.example,mail.example,post.example,post.example,corp.example"
DEVICES = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
    " Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "shop-app/4.2.1 (Android 16)",
]


def _one_of(words: str, seed: str) -> str:
    """One of the words, by what is left of a number."""
    return f"(string_to_array('{words}', ','))[1 + {seed} % {words.count(',') + 1}]"


# Made of numbers by arithmetic, because a big table is filled only as fast as its rows are thought
# of. 7919 and 104729 are primes, so that what lies side by side has nothing in common.
ACCOUNTS = f"""
    INSERT INTO accounts (id, email, username, name, password_hash, status, version, created_at)
    SELECT md5('account' || n)::uuid,
        CASE WHEN n <= $1::bigint / 100 THEN '{IMPORTED}' || n || '@example.org'
             ELSE lower(first || '.' || last) || n || '@' || {_one_of(DOMAINS, "n")} END,
        CASE WHEN n % 3 = 0 THEN lower(first) || n END,
        first || ' ' || last, '{HASH}',
        CASE WHEN n % 1000 = 7 THEN 'disabled' ELSE 'active' END, 1 + n % 40,
        now() - interval '3 years' * (1 - n::float / $1)
    FROM (
        SELECT n, {_one_of(FIRST, "(n * 7919 / 64)")} AS first,
            {_one_of(LAST, "(n * 104729 / 128)")} AS last
        FROM generate_series(1, $1::bigint) AS n
    ) AS person
"""
# Of eleven weeks, of which the worker should have removed the first three. Every second one was
# ended by its owner; those belong mostly to few accounts, which log in all day. The others are
# anybody's, and the newer ones of them are live.
SESSIONS = """
    INSERT INTO sessions (id, account_id, created_at, last_used_at, expires_at, ends_by, ended_at,
        address, user_agent, secret_digest, generation, refreshes)
    SELECT id, md5('account' || 1 + owner)::uuid, began, used,
        least(ends_by, used + interval '14 days'), ends_by, CASE WHEN n % 2 = 0 THEN used END,
        '93.0.0.0'::inet + n * 7919 % 16777216, ($3::text[])[1 + n % cardinality($3::text[])],
        sha256(uuid_send(id) || uuid_send(id)), n % 50, ARRAY[used]
    FROM (
        SELECT n, uuidv7(-age) AS id, now() - age AS began,
            now() - age + interval '30 days' AS ends_by,
            now() - CASE WHEN n % 2 = 0 THEN age / 2 ELSE age / 8 END AS used,
            CASE WHEN n % 2 = 0
                 THEN floor($1::bigint * power(n * 7919 % $2::bigint / $2::float, 2))::bigint
                 ELSE n * 7919 % $1::bigint END AS owner
        FROM (
            SELECT n, interval '80 days' * (1 - n::float / $2::bigint) AS age
            FROM generate_series(1, $2::bigint) AS n
        ) AS numbered
    ) AS session
"""
# The same of what the outbox and the audit keep: a quarter of it is overdue.
OUTBOX = """
    INSERT INTO outbox (topic, key, payload, created_at, acknowledged_at)
    SELECT 'user_logged_in', account_id::text,
        json_build_object('user_id', account_id, 'account_version', n % 40, 'version', 1,
            'session_id', id, 'logged_in_at', created_at)::text,
        now() - age, now() - age + interval '90 ms'
    FROM (
        SELECT id, account_id, created_at, row_number() OVER () AS n,
            interval '9 days' * random() AS age
        FROM sessions WHERE created_at > now() - interval '9 days'
    ) AS login
"""
AUDIT = """
    INSERT INTO audit (at, account_id, actor, action, outcome, address)
    SELECT now() - interval '240 days' * (1 - n::float / $2::bigint),
        md5('account' || 1 + n * 7919 % $1::bigint)::uuid, 'self', 'logged_in', 'done',
        '93.0.0.0'::inet + n * 7919 % 16777216
    FROM generate_series(1, $2::bigint) AS n
"""
CLAIMED = """
    INSERT INTO claimed_usernames (username, account_id, claimed_at)
    SELECT username, id, created_at FROM accounts WHERE username IS NOT NULL
"""
# Every tenth account stands for a user of Clerk.
CLERK = """
    INSERT INTO clerk_users (id, account_id, name, updated_at, sent_at, email, email_updated_at,
        email_sent_at)
    SELECT 'user_' || left(md5(id::text), 27), id, name, created_at, created_at, email, created_at,
        created_at
    FROM accounts WHERE get_byte(uuid_send(id), 0) < 26
"""
CHANGES = """
    INSERT INTO account_changes
    SELECT id, 'name', created_at FROM accounts WHERE get_byte(uuid_send(id), 1) < 13
"""
DELETED = """
    INSERT INTO deleted_accounts
    SELECT gen_random_uuid(), now() - interval '7 days' * random()
    FROM generate_series(1, $1::bigint / 100)
"""
APPLIED = """
    INSERT INTO applied_events
    SELECT 'https://billing.example', gen_random_uuid(), now() - interval '29 days' * random()
    FROM generate_series(1, $1::bigint / 100)
"""
