"""Users of any system come along, log in as before, and have a hash of ours from then on."""

from __future__ import annotations

import json
import secrets
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from dev_stack.ports import free_port
from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import PASSWORD, Person, fresh_address, log_in, outcome, sign_in
from tests.recoveries import NEW_PASSWORD, recover, reset
from tests.service_process import ServiceProcess
from tests.user_service.foreign_digests import digests_of
from tests.user_service.importing import bring, who_is
from tests.user_service.ledger import audited, id_of, told
from tests.user_service.test_foreign_hashes import BROKEN, HOSTILE
from user_service.identity.password_hashes import canonical_digest
from user_service.imports.candidates import Candidate
from user_service.imports.columns import UnreadableFile
from user_service.imports.lines import Lines
from user_service.imports.records import Record, Rejected, records
from user_service.imports.user_rows import user_candidate, user_columns

pytestmark = pytest.mark.anyio

OURS = "$argon2id$v=19$m=8,t=1,p=1$"


async def _hash_of(corner: Corner, person: Person) -> str | None:
    ((stored,),) = await corner.fetch(
        "SELECT password_hash FROM accounts WHERE email = $1", person.email
    )
    assert stored is None or isinstance(stored, str)
    return stored


def _jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _user(person: Person, digest: str | None, **more: Any) -> dict[str, Any]:
    known = {"email": person.email, "name": person.name, "email_verified": True}
    return known | {"password_hash": digest} | more


async def test_a_password_of_every_format_logs_in_and_becomes_a_hash_of_ours(
    service: ServiceProcess, corner: Corner, tmp_path: Path
) -> None:
    people = [(Person(), digest) for digest in digests_of(PASSWORD).values()]
    file = _jsonl(tmp_path / "users.jsonl", *(_user(*each) for each in people))
    done = bring(corner, "users", file, "--json")
    assert done.totals["created"] == len(people)
    assert done.totals["created_without"] == {}
    async with service.client() as client:
        for person, digest in people:
            assert await _hash_of(corner, person) == canonical_digest(digest)
            mistyped = Person(email=person.email, password=PASSWORD + "x")
            assert outcome(await log_in(client, mistyped)) == (401, "wrong_credentials")
            assert await _hash_of(corner, person) == canonical_digest(digest)
            assert (await log_in(client, person)).status_code == 200, digest
            renewed = await _hash_of(corner, person)
            assert renewed is not None
            assert renewed.startswith(OURS)
            assert (await log_in(client, person)).status_code == 200
            assert await _hash_of(corner, person) == renewed
            assert outcome(await log_in(client, mistyped)) == (401, "wrong_credentials")


async def test_digests_that_would_take_the_machine_make_accounts_without_a_password(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, tmp_path: Path
) -> None:
    digests = [*HOSTILE, *(digest for digest in BROKEN if digest == digest.strip())]
    people = [(Person(), digest) for digest in digests]
    file = _jsonl(tmp_path / "users.jsonl", *(_user(*each) for each in people))
    report = tmp_path / "report"
    done = bring(corner, "users", file, "--json", "--report", report)
    assert done.totals["created"] == len(people)
    assert sum(done.totals["created_without"].values()) == len(people)
    assert [json.loads(line)["who"] for line in report.read_text().splitlines()] == [
        person.email for person, _ in people
    ]
    assert "$" not in report.read_text()
    async with service.client() as client:
        person = people[0][0]
        assert outcome(await log_in(client, person)) == (401, "wrong_credentials")
        # Recovery is their way in.
        recovery = await recover(client, person)
        answer = await reset(client, person, recovery, mailroom.code(recovery))
        assert answer.status_code == 200, answer.text
        assert (await reset(client, person, recovery, mailroom.code(recovery))).status_code == 200
        person.password = NEW_PASSWORD
        assert (await log_in(client, person)).status_code == 200
    assert all([await _hash_of(corner, person) is None for person, _ in people[1:]])


async def test_a_password_is_proven_again_by_the_hash_that_came_along(
    service: ServiceProcess, corner: Corner, tmp_path: Path
) -> None:
    """Whoever logged in while the pool was too busy to renew it has such a one still."""
    person = Person()
    digest = digests_of(PASSWORD)["bcrypt 2y"]
    bring(corner, "users", _jsonl(tmp_path / "one.jsonl", _user(person, digest)))
    async with service.client() as client:
        tokens = await sign_in(client, person)
        headers = tokens.headers | {"x-forwarded-for": person.network}
        statement = "UPDATE accounts SET password_hash = $2 WHERE email = $1"

        async def change(current: str) -> tuple[int, str]:
            body = {"current_password": current, "new_password": NEW_PASSWORD}
            return outcome(
                await client.post("/api/auth/change-password", json=body, headers=headers)
            )

        for stored in (None, canonical_digest(digest), "imported$bcrypt$r=31$AA$AA"):
            await corner.fetch(statement, person.email, stored)
            assert await change("not the password") == (403, "wrong_password")
        assert await change(PASSWORD) == (403, "wrong_password")
        await corner.fetch(statement, person.email, canonical_digest(digest))
        assert await change(PASSWORD) == (200, "")
    assert (await _hash_of(corner, person) or "").startswith(OURS)


async def test_what_came_along_is_stored_told_and_audited_and_nobody_is_mailed(
    corner: Corner, tmp_path: Path
) -> None:
    tag = secrets.token_hex(4)
    ann, bob, cem = (fresh_address() for _ in range(3))
    file = tmp_path / "users.csv"
    file.write_text(
        "Email, email_verified ,name,username,created_at,plan,password_hash\n"
        f"{ann.upper()},TRUE,Ann Example,ANN-{tag},2019-05-04T03:02:01+02:00,gold,\n"
        f"{bob},1,,bob.{tag},2019-05-04,,\n"
        f"{cem},yes,<b>Cem</b>,c,2999-01-01,,\n"
        f"no.{bob},,No,,,,\n"
        f"no.{cem},false,No,,,,\n"
        ",true,No,,,,\n"
    )
    report = tmp_path / "report"
    done = bring(corner, "users", file, "--json", "--report", report)
    assert done.totals == {
        "rows": 6,
        "created": 3,
        "linked": 0,
        "completed": 0,
        "already_here": 0,
        "skipped": {"address not verified": 2, "no address": 1},
        "malformed": {},
        "created_without": {
            "name not acceptable": 1,
            "username not acceptable": 1,
            "created_at not a time of the past in ISO 8601": 1,
        },
        "ignored_columns": ["plan"],
        "dry_run": False,
        "finished": True,
    }
    reported = [json.loads(line)["line"] for line in report.read_text().splitlines()]
    assert reported == [4, 4, 4, 5, 6, 7]
    rows = await corner.fetch(
        "SELECT name, username, created_at::text, version, status FROM accounts"
        " WHERE email = ANY($1) ORDER BY array_position($1, email)",
        [ann, bob, cem],
    )
    assert [tuple(row) for row in rows[:2]] == [
        ("Ann Example", f"ann-{tag}", "2019-05-04 01:02:01+00", 1, "active"),
        (f"bob.{tag}", f"bob.{tag}", "2019-05-04 00:00:00+00", 1, "active"),
    ]
    assert rows[2]["name"] == "c"
    assert rows[2]["username"] is None
    id = await id_of(corner, ann)
    (event,) = await told(corner, id)
    assert event | {"registered_at": ""} == {
        "topic": "user_registered",
        "version": 1,
        "user_id": str(id),
        "account_version": 1,
        "email": ann,
        "name": "Ann Example",
        "username": f"ann-{tag}",
        "registered_at": "",
    }
    assert event["registered_at"].startswith("2019-05-04T01:02:01")
    assert await audited(corner, id) == [("imported", "done")]

    vouched = bring(corner, "users", file, "--json", "--addresses-are-verified")
    assert (vouched.totals["created"], vouched.totals["already_here"]) == (2, 3)


async def test_who_is_here_already_is_left_as_they_are(corner: Corner, tmp_path: Path) -> None:
    person, other = Person(), Person()
    tag = f"u{secrets.token_hex(4)}"
    first = _jsonl(tmp_path / "1", _user(person, None, username=tag))
    bring(corner, "users", first)
    before = await corner.fetch("SELECT * FROM accounts WHERE email = $1", person.email)
    digest = digests_of(PASSWORD)["argon2id"]
    second = _jsonl(
        tmp_path / "2",
        _user(person, digest) | {"name": "Another", "username": "another"},
        _user(other, digest, username=tag),
        _user(other, digest, username="another"),
    )
    done = bring(corner, "users", second, "--json")
    assert (done.totals["created"], done.totals["already_here"]) == (1, 2)
    assert done.totals["created_without"] == {"username taken": 1}
    assert await corner.fetch("SELECT * FROM accounts WHERE email = $1", person.email) == before
    assert await who_is(corner, other.email) == {other.email: (None, None, None, True)}
    assert not await corner.fetch("SELECT FROM claimed_usernames WHERE username = 'another'")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b"name,username\nAnn,ann\n", "lacks email, email_verified. It has name, username."),
        (b"email,name\na@example.org,Ann\n", "say --addresses-are-verified"),
        (b'{"email": "a@example.org"}\n', "lacks email_verified"),
        (b'[{"email": "a@example.org"}]', "write one object in each line"),
        (b"email,email_verified,password\na@example.org,1,hunter2\n", "are not taken in"),
        (b"email,email_verified,EMAIL\n", "the column 'email' twice"),
        ("email,email_verified\n".encode("utf-16"), "NUL"),
        (b"\x1f\x8b\x08\x00\xff", "begins with a line"),
        (b"email," * 20_000, "line longer than 64 KiB"),
        (b'"email\n', "no header of a CSV file"),
        (b"\n\n\n", "It has nothing."),
        (b"\x1b[2J\n", "It has \ufffd[2j."),
    ],
    ids=range(13),
)
async def test_a_file_that_is_none_of_users_says_what_is_wrong_with_it(
    content: bytes, sentence: str
) -> None:
    with pytest.raises(UnreadableFile) as refused:
        list(records(Lines(BytesIO(content)), user_columns(verified=False)))
    assert sentence in str(refused.value)
    assert "hunter2" not in str(refused.value)


async def test_no_line_of_json_is_more_than_a_row_that_is_skipped() -> None:
    lines = [
        b'{"email": "a@example.org", "email_verified": true, "other": [[1]], "name": null}',
        b'{"email": "a@example.org", "email_verified": 1}',
        b"",
        b'{"email": ' + b"[" * 30_000,
        b'{"email": "\\ud800", "email_verified": true}',
        b'{"email": ["a@example.org"], "email_verified": true}',
        b'{"email": "a\xff@example.org"}',
        b'"email"',
        b"NaN",
        b'{"email": "a\\u0000@example.org", "email_verified": true}',
        b"{} {}",
        b"{" + b" " * 2**20,
        b"{}",
    ]
    read = list(records(Lines(BytesIO(b"\n".join(lines))), user_columns(verified=False)))
    assert [row.line for row in read] == [1, 2, *range(4, 14)]
    kinds = [type(row) for row in read]
    assert kinds == [Record, Record, *[Rejected] * 6, Record, Rejected, Rejected, Record]
    judged = [user_candidate(row, verified=False) for row in read if isinstance(row, Record)]
    assert [type(row) for row in judged] == [Candidate, Candidate, Rejected, Rejected]


async def test_such_a_file_is_refused_before_postgres_is_asked(corner: Corner) -> None:
    nowhere = f"postgresql://gatepost@127.0.0.1:{free_port()}/gatepost"
    done = bring(corner, "users", "-", typed="name\n", DATABASE_URL=nowhere)
    assert (done.code, done.out) == (1, "")
    assert "The file lacks email, email_verified. It has name." in done.err


async def test_a_password_as_it_was_typed_stops_the_import_where_it_stands(
    corner: Corner, tmp_path: Path
) -> None:
    rows = [_user(Person(), None) for _ in range(3)]
    rows[2]["password"] = "hunter2"
    done = bring(corner, "users", _jsonl(tmp_path / "users", *rows), "--json")
    assert done.code == 1
    assert "Line 3 has password" in done.err
    assert "hunter2" not in done.err + done.out


async def test_without_postgres_an_import_says_so(corner: Corner, tmp_path: Path) -> None:
    file = _jsonl(tmp_path / "users", _user(Person(), None))
    nowhere = f"postgresql://gatepost:very-secret@127.0.0.1:{free_port()}/gatepost"
    done = bring(corner, "users", file, "--json", "--dry-run", DATABASE_URL=nowhere)
    assert (done.code, done.out) == (1, "")
    assert "postgres does not answer" in done.err
    assert "very-secret" not in done.err
    assert bring(corner, "users", tmp_path / "nothing").code == 2


async def test_people_get_a_table_and_no_strangers_steer_their_terminal(
    corner: Corner, tmp_path: Path
) -> None:
    rows = [
        _user(Person(), None) | {"x\x1b[2J": "\x1b[2J", "email_verified": flag} for flag in (1, 0)
    ]
    done = bring(corner, "users", _jsonl(tmp_path / "users", *rows), "--dry-run")
    assert done.code == 0
    assert "skipped: address not verified" in done.out
    assert "This was a dry run: nothing was written." in done.out
    assert "Ignored columns: x" in done.out
    assert "\x1b" not in done.out + done.err
