"""The ledger misses what is missing: each of its findings, from the facts alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from dev_stack.mail_stand_in import MailStandIn
from tests.fault_matrix import sabotage
from tests.fault_matrix.ledger import AS_PROMISED, STEADY, Ledger, Seen
from tests.fault_matrix.records import Event, came_again, duplicate_users
from tests.fault_matrix.traffic import Traffic

NOTHING: frozenset[int] = frozenset()


def test_a_mail_is_lost_when_it_was_neither_accepted_nor_put_aside() -> None:
    ledger = Ledger(acknowledged={"a@example.org": "1", "b@example.org": "2", "c@example.org": "3"})
    lost = ledger.lost_mails({"a@example.org": 1, "b@example.org": 0}, frozenset({"2"}))
    assert lost == ["c@example.org"]


def test_an_account_is_lost_when_it_is_missing_or_another_one() -> None:
    ledger = Ledger(created={"a@example.org": "1", "b@example.org": "2", "c@example.org": "3"})
    assert ledger.lost_accounts({"a@example.org": "1", "b@example.org": "9"}) == [
        "b@example.org",
        "c@example.org",
    ]


def test_events_are_lost_for_each_account_and_login_that_nobody_is_told_of() -> None:
    ledger = Ledger(
        created={"a@example.org": "1", "b@example.org": "2"}, logins=Counter({"a@example.org": 3})
    )
    assert ledger.lost_events(Counter({"1": 1}), Counter({"1": 1})) == ["2", "1", "1"]


def test_a_503_that_does_not_say_when_to_come_again_is_as_wrong_as_a_500() -> None:
    refusals = [
        Seen("log in", 0, 0.1, 503),
        Seen("log in", 0, 0.1, 503, proper=False),
        Seen("log in", 0, 0.1, 500),
        Seen("verify", 0, 0.1, 410),
        Seen("log in", 0, 0.1, 0),
    ]
    assert Ledger(seen=refusals).wrong(frozenset({410})) == refusals[1:3]


def test_a_success_that_nobody_can_read_is_wrong() -> None:
    answers = [Seen("profile", 0, 0.1, 200), Seen("profile", 0, 0.1, 200, proper=False)]
    assert Ledger(seen=answers).wrong(NOTHING) == answers[1:]


@pytest.mark.anyio
async def test_an_answer_that_is_no_json_is_seen_and_what_nobody_foresaw_is_told() -> None:
    answers = [web.Response(status=500, text="oops"), web.json_response({}, status=202)]

    async def answer(_request: web.Request) -> web.Response:
        return answers.pop(0)

    app = web.Application()
    app.router.add_post("/api/auth/register", answer)
    ledger = Ledger()
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        url = str(server.make_url("")).rstrip("/")
        traffic = Traffic(http, [url], MailStandIn(key="SG.key"), ledger, patience=1.0)
        for _ in range(2):
            traffic.burst(1)
            await traffic.settle()
    assert [(each.status, each.said) for each in ledger.wrong(NOTHING)] == [(500, "oops")]
    assert ledger.astray == ["KeyError('data')"]


def test_who_never_succeeds_again_is_missed_however_long_ago_the_last_success_was() -> None:
    served = [Seen(step, 10.0, 0.1, AS_PROMISED[step]) for step in STEADY]
    refused = Seen("register", 12.0, 0.1, 503)
    assert Ledger(seen=served).unserved(since=10.0) == []
    assert Ledger(seen=served).is_steady(since=10.0)
    assert Ledger(seen=[*served, refused]).unserved(since=11.0) == [*STEADY]
    assert not Ledger(seen=[*served, refused]).is_steady(since=10.0)


def test_recovery_lasts_to_the_end_of_the_last_failure_after_the_healing() -> None:
    seen = [
        Seen("profile", 9.0, 5.0, 503),  # begun before: it may fail for as long as it takes
        Seen("profile", 11.0, 2.0, 503),
        Seen("profile", 15.0, 1.0, 200),
    ]
    assert Ledger(seen=seen).recovery(healed=10.0) == 3.0
    assert Ledger(seen=seen[2:]).recovery(healed=10.0) == 0.0


def test_what_fails_before_the_fault_or_stays_silent_after_it_is_no_work_of_it() -> None:
    before = Seen("profile", 8.0, 0.5, 503)
    caught = Seen("profile", 9.9, 0.5, 503)
    recovering = Seen("profile", 21.0, 0.5, 503)
    silent = Seen("profile", 21.0, 0.5, 0)
    seen = [before, caught, recovering, silent]
    assert Ledger(seen=seen).failed_apart_from(10.0, 20.0) == [before, silent]


def test_an_event_came_again_when_its_id_did_and_other_rows_users_do_not_count() -> None:
    a, b, c, d = (Event(user, id) for user, id in ("1a", "1b", "9c", "1d"))
    events = [Counter({a: 3, b: 1, c: 2}), Counter({d: 2})]
    assert came_again(events, {"1"}) == 3


def test_two_accounts_of_one_address_are_one_too_many() -> None:
    events = [Event("1", "a", "a@example.org"), Event("2", "b", "a@example.org")]
    assert duplicate_users(Counter(events + [Event("3", "c", "b@example.org")] * 2)) == 1


def test_a_recovery_ends_before_the_next_fault() -> None:
    seen = [Seen("profile", 11.0, 2.0, 503), Seen("profile", 15.0, 6.0, 503)]
    assert Ledger(seen=seen).recovery(healed=10.0, until=20.0) == 3.0


def test_who_should_not_notice_must_not_fail() -> None:
    ledger = Ledger(seen=[Seen("profile", 0, 0.1, 503), Seen("register", 0, 0.1, 503)])
    assert [each.step for each in ledger.harmed(frozenset({"profile"}))] == ["profile"]


def test_every_guard_that_is_to_be_removed_is_still_there_and_leaves_python(
    tmp_path: Path,
) -> None:
    for number, each in enumerate(sabotage.ALL):
        path = each.build(tmp_path / str(number)) / each.file
        compile(path.read_text(), path, "exec")
