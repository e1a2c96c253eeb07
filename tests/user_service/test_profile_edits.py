"""People change their own name and username, and nothing else by it."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, SignedIn, fresh_network, member, outcome, sign_in
from tests.service_process import ServiceProcess
from tests.user_service.ledger import audited, id_of, told

pytestmark = pytest.mark.anyio

PROFILE = "/api/auth/profile"
TAKEN = (409, "username_taken")
# As at register, see test_names_and_passwords.
HOSTILE_NAMES = [
    "",
    "   ",
    "x" * 101,
    "Ann\r\nBcc: all@example.org",
    "Ann\x00",
    "\u202eAnn",
    "A\u200bnn",
    "<b>Ann</b>",
    "see http://evil.example",
    "see www.evil.example",
]
HOSTILE_USERNAMES = ["ab", "x" * 33, "ann@example.org", "ann lee", "\u212aann", "änn", "../ann"]


def fresh_username() -> str:
    return f"u{secrets.token_hex(6)}"


async def edit(client: httpx.AsyncClient, tokens: SignedIn, **fields: Any) -> httpx.Response:
    headers = {**tokens.headers, "x-forwarded-for": fresh_network()}
    return await client.patch(PROFILE, json=fields, headers=headers)


async def user_of(client: httpx.AsyncClient, tokens: SignedIn) -> dict[str, Any]:
    user: dict[str, Any] = (await client.get(PROFILE, headers=tokens.headers)).json()["data"][
        "user"
    ]
    return user


async def test_name_and_username_change_together_or_alone_and_are_told(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom)
    username, later = fresh_username(), fresh_username()
    async with service.client() as client:
        tokens = await sign_in(client, person)
        both = await edit(client, tokens, name="  Ann  Lee ", username=username.upper())
        assert both.status_code == 200, both.text
        assert both.json()["data"]["user"] == await user_of(client, tokens)
        await edit(client, tokens, name="Anna Lee")
        await edit(client, tokens, username=later)
        gone = await edit(client, tokens, username=None)
        user = gone.json()["data"]["user"]
        assert (user["name"], user["username"], user["email"]) == ("Anna Lee", None, person.email)
    id = await id_of(corner, person.email)
    events = await told(corner, id, "user_updated")
    assert [(event["name"], event["username"]) for event in events] == [
        ("Ann  Lee", username),
        ("Anna Lee", username),
        ("Anna Lee", later),
        ("Anna Lee", None),
    ]
    assert [event["account_version"] for event in events] == [3, 4, 5, 6]
    assert {event["status"] for event in events} == {"active"}
    assert (await audited(corner, id))[-4:] == [("profile_updated", "done")] * 4


async def test_one_logs_in_with_the_new_username_and_not_with_the_old_one(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    old, new = fresh_username(), fresh_username()
    person = await member(service, mailroom, username=old)
    async with service.client(person.network) as client:
        assert (await edit(client, await sign_in(client, person), username=new)).status_code == 200
        answers = [
            await client.post(
                "/api/auth/login", json={"username": name, "password": person.password}
            )
            for name in (old, new)
        ]
    assert [answer.status_code for answer in answers] == [401, 200]


async def test_an_edit_that_changes_nothing_is_no_event(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    person = await member(service, mailroom, username=(username := fresh_username()))
    async with service.client() as client:
        tokens = await sign_in(client, person)
        answer = await edit(client, tokens, name=person.name, username=username)
    assert answer.status_code == 200
    assert await told(corner, await id_of(corner, person.email), "user_updated") == []


async def test_a_freed_username_is_never_given_to_anybody_else_but_is_ones_own_again(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    username = fresh_username()
    holder = await member(service, mailroom, username=username)
    other = await member(service, mailroom)
    async with service.client() as client:
        tokens, others = await sign_in(client, holder), await sign_in(client, other)
        assert outcome(await edit(client, others, username=username)) == TAKEN
        assert (await edit(client, tokens, username=None)).status_code == 200
        assert outcome(await edit(client, others, username=username)) == TAKEN
        assert (await edit(client, tokens, username=fresh_username())).status_code == 200
        assert outcome(await edit(client, others, username=username.upper())) == TAKEN
        again = await edit(client, tokens, username=username)
        assert again.json()["data"]["user"]["username"] == username


async def test_a_taken_username_changes_nothing_at_all(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    username = fresh_username()
    await member(service, mailroom, username=username)
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens = await sign_in(client, person)
        refused = await edit(client, tokens, name="Another Name", username=username)
        assert outcome(refused) == TAKEN
        assert (await user_of(client, tokens))["name"] == person.name
    assert await told(corner, await id_of(corner, person.email), "user_updated") == []


async def test_of_many_who_want_a_username_at_once_one_gets_it(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    people = [await member(service, mailroom) for _ in range(6)]
    username = fresh_username()
    async with service.client() as client:
        tokens = [await sign_in(client, person) for person in people]
        answers = await asyncio.gather(*[edit(client, each, username=username) for each in tokens])
    assert Counter(outcome(answer) for answer in answers) == {(200, ""): 1, TAKEN: 5}
    assert len(await corner.fetch("SELECT FROM accounts WHERE username = $1", username)) == 1


async def test_nobody_gathers_usernames(service: ServiceProcess, mailroom: Mailroom) -> None:
    first = fresh_username()
    person = await member(service, mailroom, username=first)
    async with service.client() as client:
        tokens = await sign_in(client, person)
        answers = [await edit(client, tokens, username=fresh_username()) for _ in range(11)]
        statuses = [outcome(answer) for answer in answers]
        assert statuses == [(200, "")] * 9 + [(409, "usernames_spent")] * 2
        assert (await edit(client, tokens, username=first)).status_code == 200
        assert (await edit(client, tokens, username=None)).status_code == 200


@pytest.mark.parametrize(
    "field",
    [
        "role",
        "status",
        "email",
        "password",
        "password_hash",
        "id",
        "epoch",
        "version",
        "created_at",
    ],
)
async def test_no_other_field_can_be_set(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, field: str
) -> None:
    person = await member(service, mailroom)
    query = "SELECT * FROM accounts WHERE email = $1"
    async with service.client() as client:
        tokens = await sign_in(client, person)
        before = await corner.fetch(query, person.email)
        refused = await edit(client, tokens, name="Another Name", **{field: "admin"})
    assert outcome(refused) == (400, "invalid_request")
    assert [error["field"] for error in refused.json()["errors"]] == [field]
    assert await corner.fetch(query, person.email) == before


async def test_names_are_judged_as_at_register(service: ServiceProcess, mailroom: Mailroom) -> None:
    person = await member(service, mailroom)
    async with service.client() as client:
        tokens = await sign_in(client, person)
        for name in HOSTILE_NAMES:
            refused = await edit(client, tokens, name=name)
            assert outcome(refused) == (400, "invalid_request"), name
            assert [error["field"] for error in refused.json()["errors"]] == ["name"], name
        for username in HOSTILE_USERNAMES:
            refused = await edit(client, tokens, username=username)
            assert outcome(refused) == (400, "invalid_request"), username
            assert [error["field"] for error in refused.json()["errors"]] == ["username"], username
        for body in ({}, {"name": None}, {"name": 5}, {"username": ["ann"]}):
            refused = await client.patch(PROFILE, json=body, headers=tokens.headers)
            assert outcome(refused) == (400, "invalid_request"), body
        assert (await user_of(client, tokens))["name"] == person.name


async def test_a_network_edits_twenty_times_a_minute(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    """Each is told to other services and written down, so nobody floods both with one account."""
    person = await member(service, mailroom)
    async with service.client(person.network) as client:
        tokens = await sign_in(client, person)
        answers = [
            await client.patch(PROFILE, json={"name": f"Ann {number}"}, headers=tokens.headers)
            for number in range(40)
        ]
    # One more is admitted every three seconds, and a busy machine takes some.
    assert 20 <= [answer.status_code for answer in answers].index(429) < 35


async def test_no_dead_token_edits(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner
) -> None:
    loggedout, expired, disabled = [await member(service, mailroom) for _ in range(3)]
    async with service.client() as client:
        tokens = [await sign_in(client, each) for each in (loggedout, expired, disabled)]
        await client.post("/api/auth/logout", headers=tokens[0].headers)
        await corner.fetch(
            "UPDATE sessions SET expires_at = now() WHERE account_id = $1",
            await id_of(corner, expired.email),
        )
        await corner.fetch(
            "UPDATE accounts SET status = 'disabled' WHERE email = $1", disabled.email
        )
        answers = [await edit(client, each, name="Another Name") for each in tokens]
        answers.append(await client.patch(PROFILE, json={"name": "Another Name"}))
    assert [outcome(answer) for answer in answers] == [(401, "token_rejected")] * 4
    names = await corner.fetch(
        "SELECT name FROM accounts WHERE email = ANY($1)",
        [person.email for person in (loggedout, expired, disabled)],
    )
    assert {row["name"] for row in names} == {Person().name}
