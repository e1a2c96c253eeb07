"""Digests of other systems: read once, bounded twice, verified as they were made."""

from __future__ import annotations

import resource
import time
import unicodedata

import bcrypt
import pytest

from tests.corner import Corner
from tests.user_service.accounts import opened, settled
from tests.user_service.foreign_digests import digests_of
from user_service.identity import password_store
from user_service.identity.hash_pool import HashPool
from user_service.identity.password_hashes import (
    DigestRefused,
    StoredHash,
    canonical_digest,
    scheme_of,
)
from user_service.identity.passwords import Passwords
from user_service.settings.limits import ArgonCost

pytestmark = pytest.mark.anyio

# From RFC 7914, the reference implementations' tests and passlib's manual.
PUBLISHED = [
    ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    (
        "password",
        "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
    ),
    (
        "password",
        "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
    ),
    (
        "password",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    ),
    (
        "password",
        "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
    ),
    (
        "Password",
        "pbkdf2:sha256:80000$NaCl$4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56",
    ),
]
FORMATS = digests_of("correct horse battery")
SALT, DIGEST = "c2l4dGVlbiBvZiBieXRlcw", "wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA"
BCRYPT = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
HOSTILE = [
    f"$argon2id$v=19$m=4194304,t=1,p=1${SALT}${DIGEST}",
    f"$argon2id$v=19$m=262144,t=5,p=1${SALT}${DIGEST}",
    f"$argon2id$v=19$m=64,t=4294967295,p=1${SALT}${DIGEST}",
    f"$argon2id$v=19$m=65536,t=1,p=255${SALT}${DIGEST}",
    f"$argon2id$v=19$m=8,t=0,p=1${SALT}${DIGEST}",
    f"$argon2id$v=19$m=8,t=1,p=0${SALT}${DIGEST}",
    f"$argon2id$v=19$m=8,t=1,p=8${SALT}${DIGEST}",
    f"$2b$31${BCRYPT}",
    f"$2b$15${BCRYPT}",
    f"$2b$03${BCRYPT}",
    f"$2b$00${BCRYPT}",
    f"$scrypt$ln=30,r=8,p=1${SALT}${DIGEST}",
    f"$scrypt$ln=9999999999,r=8,p=1${SALT}${DIGEST}",
    f"$scrypt$ln=18,r=8,p=1${SALT}${DIGEST}",
    f"$scrypt$ln=16,r=1,p=1${SALT}${DIGEST}",
    f"$scrypt$ln=14,r=8,p=9999999999${SALT}${DIGEST}",
    f"$scrypt$ln=14,r=0,p=1${SALT}${DIGEST}",
    f"$scrypt$ln=2,r=8,p=1${SALT}${DIGEST}",
    f"scrypt:1073741824:8:1$plain-salt${'0f' * 64}",
    f"$pbkdf2-sha256$1000000000${SALT}${DIGEST}",
    f"$pbkdf2-sha256$2000001${SALT}${DIGEST}",
    f"$pbkdf2-sha256$0${SALT}${DIGEST}",
    f"pbkdf2_sha256$999$plain-salt${DIGEST}=",
]
BROKEN = [
    "$2b$12$",
    f"$2b$12${BCRYPT[:-1]}",
    f"$2b$12${BCRYPT}x",
    f"$2x$12${BCRYPT}",
    f"$2b$12${BCRYPT[:-1]}\x00",
    f"$argon2i$v=19$m=64,t=1,p=1${SALT}$",
    f"$argon2i$v=19$m=64,t=1,p=1$c2hvcnQ${DIGEST}",
    f"$argon2i$v=18$m=64,t=1,p=1${SALT}${DIGEST}",
    f"$argon2i$v=19$m=-64,t=1,p=1${SALT}${DIGEST}",
    f"$argon2i$v=19$m=64,t=1,p=1,data=eA${SALT}${DIGEST}",
    f"$argon2i$v=19$m=64,t=1,p=1${SALT}${DIGEST}\n",
    f"$argon2i$v=19$m=٦٤,t=1,p=1${SALT}${DIGEST}",
    f"$argon2i$v=19$m=64,t=1,p=1${'A' * 128}${DIGEST}",
    f"$scrypt$ln=14,r=8,p=1${SALT}${'A' * 128}",
    f"scrypt:16385:8:1$plain-salt${'0f' * 64}",
    f"scrypt:0:8:1$plain-salt${'0f' * 64}",
    "scrypt:16384:8:1$plain-salt$0f0",
    f"$pbkdf2-sha256$29000${SALT}$AAAA",
    f"$pbkdf2-sha512$29000${SALT}${DIGEST}",
    f"$pbkdf2-sha256$99999999999999999999${SALT}${DIGEST}",
    f"$2b$12${BCRYPT}" + " " * 10_000,
]
STRANGE = [
    "",
    "correct horse battery",
    "5f4dcc3b5aa765d61d8327deb882cf99",
    f"$argon2d$v=19$m=64,t=1,p=1${SALT}${DIGEST}",
    "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
    "$pbkdf2$29000$salt$hash",
    "pbkdf2:sha1:1000$plain-salt$0f",
    "pbkdf2_sha1$1000$plain-salt$0f",
    "bcrypt_sha256$$2b$12$" + BCRYPT,
    "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
    f"imported$bcrypt$r=4${SALT}${DIGEST}",
    "$5$rounds=5000$salt$x",
]


def _read(text: str) -> StoredHash:
    stored = StoredHash.read(canonical_digest(text))
    assert stored is not None
    return stored


@pytest.mark.parametrize(("password", "digest"), PUBLISHED)
def test_a_published_digest_is_matched_by_its_password_alone(password: str, digest: str) -> None:
    stored = _read(digest)
    assert stored.matches(password)
    assert not stored.matches(password + "x")
    assert not stored.matches("")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_matched_by_its_password_alone(name: str) -> None:
    stored = _read(FORMATS[name])
    assert stored.matches("correct horse battery")
    assert not stored.matches("correct horse batterY")
    assert StoredHash.read(stored.text) == stored


def test_a_password_is_compared_as_it_was_typed_where_it_was_hashed_so() -> None:
    decomposed = unicodedata.normalize("NFD", "crème brûlée à Zürich")
    for digest in digests_of(decomposed).values():
        stored = _read(digest)
        assert stored.matches(decomposed)
        assert not stored.matches(unicodedata.normalize("NFC", decomposed))


def test_bcrypt_looks_at_72_bytes_as_ever() -> None:
    digest = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert _read(digest).matches("x" * 72)
    assert _read(digest).matches("x" * 80)
    assert not _read(digest).matches("x" * 71)
    assert not _read(digest).matches("é" * 36)


@pytest.mark.parametrize("digest", HOSTILE)
def test_a_digest_that_would_take_the_machine_is_refused_without_being_tried(digest: str) -> None:
    began = time.thread_time()
    with pytest.raises(DigestRefused, match="costs more than a login may"):
        canonical_digest(digest)
    assert time.thread_time() - began < 0.05


@pytest.mark.parametrize("digest", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_digest_is_refused_and_not_shown(digest: str) -> None:
    with pytest.raises(DigestRefused, match="no format that is known") as refused:
        canonical_digest(digest)
    assert BCRYPT[:20] not in str(refused.value)
    assert "$" not in str(refused.value)


@pytest.mark.parametrize("digest", STRANGE)
def test_a_digest_of_another_kind_is_refused(digest: str) -> None:
    with pytest.raises(DigestRefused, match="no format that is known"):
        canonical_digest(digest)


@pytest.mark.parametrize(
    "digest",
    [
        f"$2b$14${BCRYPT}",
        f"$argon2id$v=19$m=262144,t=4,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=64,t=64,p=8${SALT}${DIGEST}",
        f"$scrypt$ln=17,r=8,p=2${SALT}${DIGEST}",
        f"$pbkdf2-sha512$2000000${SALT}${'A' * 86}",
    ],
)
def test_the_dearest_that_is_admitted_ends_soon(digest: str) -> None:
    """A second where it was measured."""
    stored = _read(digest)
    began = time.thread_time()
    assert not stored.matches("not the password")
    assert time.thread_time() - began < 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1024 * 1024


@pytest.mark.parametrize(
    "text",
    [
        f"imported$argon2id$v=19$m=4194304,t=1,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=4194304,t=1,p=1${SALT}${DIGEST}",
        f"$argon2id$v=19$m=8,t=17,p=1${SALT}${DIGEST}",
        f"$argon2i$v=19$m=8,t=1,p=1${SALT}${DIGEST}",
        f"imported$bcrypt$r=31$IjxOoPXlTY4/wnpwfnANdw${'A' * 31}",
        f"$bcrypt$r=4$IjxOoPXlTY4/wnpwfnANdw${'A' * 31}",
        f"imported$scrypt$ln=30,r=8,p=1${SALT}${DIGEST}",
        f"imported$pbkdf2-sha256$i=1000000000${SALT}${DIGEST}",
        f"elsewhere$bcrypt$r=4$IjxOoPXlTY4/wnpwfnANdw${'A' * 31}",
        "",
        "$",
        "$$$$",
        "imported",
        f"$argon2id$v=19$m=8,t=1,p=1${SALT}$%%%",
    ],
)
async def test_a_row_that_demands_too_much_is_refused_like_a_wrong_password(text: str) -> None:
    pool = HashPool(threads=1, most_waiting=1)
    passwords = Passwords(pool, ArgonCost(memory=8, time=1), b"k" * 32)
    began = time.monotonic()
    assert not await passwords.verify("correct horse battery", text, "ann")
    assert time.monotonic() - began < 0.5
    pool.close()


async def test_a_hash_of_ours_outlives_a_lowered_setting() -> None:
    pool = HashPool(threads=1, most_waiting=1)
    raised = Passwords(pool, ArgonCost(memory=2**18 + 8, time=1), b"k" * 32)
    stored = await raised.hash("correct horse battery")
    lowered = Passwords(pool, ArgonCost(memory=8, time=1), b"k" * 32)
    assert await lowered.verify("correct horse battery", stored, "ann")
    pool.close()


async def test_a_digest_at_our_own_cost_is_renewed_too() -> None:
    """It was hashed as typed, without NFC: only the owner's next login can mend that."""
    pool = HashPool(threads=1, most_waiting=1)
    passwords = Passwords(pool, ArgonCost(memory=64, time=1), b"k" * 32)
    stored = canonical_digest(FORMATS["argon2id"])
    renewed = await passwords.renewed("correct horse battery", stored)
    assert renewed is not None
    assert scheme_of(renewed) == "$argon2id$v=19$m=64,t=1,p=1"
    assert await passwords.renewed("correct horse battery", renewed) is None
    pool.close()


async def test_postgres_and_the_service_agree_on_what_a_scheme_is(corner: Corner) -> None:
    hashes = [canonical_digest(digest) for digest in FORMATS.values()]
    hashes += [StoredHash.dummy(_read(FORMATS["argon2id"]).derivation).text, "nonsense"]
    ids = await settled(corner, len(hashes))
    await corner.fetch(
        "UPDATE accounts SET password_hash = hash"
        " FROM unnest($1::uuid[], $2::text[]) AS new (new_id, hash) WHERE id = new_id",
        ids,
        hashes,
    )
    await corner.fetch("ANALYZE accounts")
    async with opened(corner) as db, db.connection() as connection:
        in_use = dict(await password_store.schemes_in_use(connection))
    assert {scheme_of(text) for text in hashes} <= in_use.keys()
    readable = {scheme for scheme in in_use if StoredHash.dummy_of(scheme)}
    assert {scheme_of(canonical_digest(digest)) for digest in FORMATS.values()} <= readable
    await corner.fetch("UPDATE accounts SET password_hash = NULL WHERE id = ANY($1::uuid[])", ids)


async def test_ten_thousand_different_costs_make_few_dummies(corner: Corner) -> None:
    ids = await settled(corner, 10_000)
    await corner.fetch(
        """
        UPDATE accounts SET password_hash =
            'imported$pbkdf2-sha256$i=' || 1000 + number || '$c2FsdHNhbHQ$' || repeat('A', 43)
        FROM unnest($1::uuid[]) WITH ORDINALITY AS new (new_id, number) WHERE id = new_id
        """,
        ids,
    )
    async with opened(corner) as db, db.connection() as connection:
        in_use = await password_store.schemes_in_use(connection)
    assert 1 < len(in_use) <= 32
    await corner.fetch("DELETE FROM accounts WHERE id = ANY($1::uuid[])", ids)
