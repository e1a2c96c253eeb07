"""`python -m user_service admin …` does what the routes do, for whoever holds the machine."""

from __future__ import annotations

import getpass
import json
import subprocess
from typing import Any
from uuid import UUID, uuid4

import pytest

from dev_stack.ports import free_port
from tests import forked
from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import log_in, member, outcome
from tests.service_process import ServiceProcess
from tests.user_service.admins import USERS, account, admin, audited, events_of, is_dead

pytestmark = pytest.mark.anyio


def command(
    corner: Corner, *words: str, typed: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    variables = corner.variables | settings
    return forked.ran("user_service", "admin", *words, variables=variables, typed=typed)


def answer(corner: Corner, *words: str) -> Any:
    """What a command prints for programs."""
    done = command(corner, *words, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


async def test_only_the_command_makes_administrators_and_revoking_holds_from_the_next_request(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    user = await account(service, mailroom)
    async with service.client() as client:
        refused = await client.get(USERS, headers=user.headers)
        assert outcome(refused) == (403, "admins_only")

        assert answer(corner, "grant", user.person.email.upper())["role"] == "admin"
        assert answer(corner, "grant", user.id)["role"] == "admin"
        assert (await client.get(USERS, headers=user.headers)).status_code == 200

        assert answer(corner, "revoke", user.id)["role"] == "user"
        refused = await client.get(USERS, headers=user.headers)
        assert outcome(refused) == (403, "admins_only")
    entries = await corner.fetch(
        "SELECT actor, actor_id, detail FROM audit"
        " WHERE action = 'role_changed' AND account_id = $1::uuid ORDER BY id",
        user.id,
    )
    operator = ("operator", getpass.getuser())
    assert [tuple(entry) for entry in entries] == [
        (*operator, "now admin"),
        (*operator, "now user"),
    ]


async def test_every_verb_of_the_routes_is_a_command(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    name = f"u{uuid4().hex[:8]}"
    user = await account(service, mailroom, username=name)
    async with service.client() as client:
        assert answer(corner, "users", "end-sessions", name) == {"ended": 1}
        assert await is_dead(client, user.tokens)
        assert answer(corner, "users", "disable", user.person.email)["status"] == "disabled"
        assert (await log_in(client, user.person)).status_code == 401
        assert answer(corner, "users", "enable", user.id)["status"] == "active"
        assert (await log_in(client, user.person)).status_code == 200
        assert answer(corner, "users", "force-reset", user.id)["has_password"] is False
        assert (await log_in(client, user.person)).status_code == 401

        page = answer(corner, "users", "list", "--search", name, "--limit", "1")
        assert [found["id"] for found in page["users"]] == [user.id]
        shown = answer(corner, "users", "show", user.id)
        assert shown["user"] == page["users"][0]
        assert shown["sessions"] == []
        assert shown["audit"][0]["action"] == "sessions_ended"

        assert answer(corner, "users", "delete", name, "--yes") == {"deleted": user.id}
    assert (await events_of(corner, user.id))[-2:] == ["user_deleted", "send-notice"]
    audit = answer(corner, "audit", "--account", user.id, "--limit", "3")
    assert audit["entries"][0]["action"] == "deleted"
    assert (await audited(corner, user.id))[-1][0] == "audit_read"
    rest = answer(corner, "audit", "--account", user.id, "--after", audit["next"])
    assert rest["entries"][0]["id"] < audit["entries"][-1]["id"]
    actors = {(entry["actor"], entry["actor_id"]) for entry in audit["entries"]}
    assert actors == {("operator", getpass.getuser())}


async def test_the_operator_may_do_to_administrators_what_they_may_not_do_to_themselves(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    boss = await admin(service, mailroom, corner)
    assert answer(corner, "users", "disable", boss.id)["status"] == "disabled"
    async with service.client() as client:
        assert outcome(await client.get(USERS, headers=boss.headers)) == (401, "token_rejected")


async def test_a_username_that_reads_like_somebodys_id_is_a_username(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    victim = await account(service, mailroom)
    named = UUID(victim.id).hex
    person = await member(service, mailroom, username=named)
    assert answer(corner, "users", "disable", named)["email"] == person.email
    assert answer(corner, "users", "show", victim.id)["user"]["status"] == "active"


async def test_delete_asks_unless_told_not_to(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    user = await account(service, mailroom)
    for typed in ("n\n", "\n", ""):
        asked = command(corner, "users", "delete", user.id, typed=typed)
        assert asked.returncode == 1
        assert f"Delete the account {user.id} for good?" in asked.stderr
    async with service.client() as client:
        assert not await is_dead(client, user.tokens)
    assert command(corner, "users", "delete", user.id, typed="y\n").returncode == 0
    gone = command(corner, "users", "delete", user.id, "--yes")
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "No user has this id." in gone.stderr


async def test_people_get_tables_whose_lines_are_whole(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    user = await account(service, mailroom, name="[bold]Ann[/bold]")
    listed = command(corner, "users", "list", "--search", user.person.email, COLUMNS="40").stdout
    heads, line = listed.splitlines()[:2]
    assert heads.split()[:3] == ["id", "name", "email"]
    assert line.startswith(user.id)
    assert user.person.email in line
    assert "[bold]Ann[/bold]" in line
    shown = command(corner, "users", "show", user.id).stdout
    assert "logged_in" in shown
    assert user.person.network in shown
    more = command(corner, "users", "list", "--limit", "1").stdout
    assert "More with --after " in more
    assert "inspected" in command(corner, "audit", "--account", user.id).stdout
    assert command(corner, "users", "list", "--search", "nobody@x").stdout == "No such users.\n"


async def test_a_strangers_user_agent_does_not_steer_the_operators_terminal(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    user = await account(service, mailroom)
    # What clears a screen and colors it, in one byte each: a header may hold them.
    agent = b"evil\x9b2J\x9b31m\xadcurl"
    async with service.client() as client:
        opened = await client.post(
            "/api/auth/login", json=user.person.credentials(), headers=[(b"user-agent", agent)]
        )
        assert opened.status_code == 200, opened.text
    for words in (("users", "show", user.id), ("users", "show", user.id, "--json")):
        told = command(corner, *words).stdout
        assert "evil" in told
        assert all(letter.isprintable() for letter in told.replace("\n", "")), ascii(told)
    devices = [
        session["device"] for session in answer(corner, "users", "show", user.id)["sessions"]
    ]
    assert agent.decode("latin-1") in devices


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("users", "show", "nobody@example.org"), "Nobody has the address or username nobody@"),
        (("users", "show", "nobody-at-all"), "Nobody has the address or username nobody-"),
        (("users", "disable", str(uuid4())), "No user has this id."),
        (("users", "show", "no body"), "username: A username has"),
        (("users", "show", "@"), "email: "),
        (("users", "list", "--after", "x"), "after: Send back"),
        (("audit", "--after", "x"), "after: Send back"),
    ],
)
async def test_a_mistake_is_a_sentence_and_a_one(
    corner: Corner, words: tuple[str, ...], sentence: str
) -> None:
    done = command(corner, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


async def test_wrong_options_are_a_two(corner: Corner) -> None:
    for words in (("users", "list", "--limit", "0"), ("users", "list", "--role", "root"), ("x",)):
        assert command(corner, *words).returncode == 2


async def test_without_postgres_a_command_says_so_without_a_traceback(corner: Corner) -> None:
    url = f"postgresql://gatepost:very-secret@127.0.0.1:{free_port()}/gatepost"
    for words in (("users", "list"), ("grant", "a@example.org"), ("audit", "--json")):
        done = command(corner, *words, DATABASE_URL=url)
        assert (done.returncode, done.stdout) == (1, "")
        assert "postgres does not answer" in done.stderr
        assert "Traceback" not in done.stderr
        assert "very-secret" not in done.stderr


async def test_commands_need_neither_redis_nor_kafka(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    user = await account(service, mailroom)
    nowhere = {
        "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        "KAFKA_BROKER": f"127.0.0.1:{free_port()}",
    }
    disabled = command(corner, "users", "disable", user.id, "--json", **nowhere)
    assert json.loads(disabled.stdout)["status"] == "disabled"
    deleted = command(corner, "users", "delete", user.id, "--yes", "--json", **nowhere)
    assert json.loads(deleted.stdout) == {"deleted": user.id}, deleted.stderr
    async with service.client() as client:
        assert await is_dead(client, user.tokens)
