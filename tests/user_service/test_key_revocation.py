"""Keys that somebody else may hold, or that we cannot use: refused everywhere, and never used."""

from __future__ import annotations

import base64
import os
import pwd
from datetime import timedelta
from functools import partial

import httpx
import jwt
import pytest

from tests.corner import MASTER_KEY
from tests.people import outcome
from tests.user_service.forged_tokens import private_key, sign
from tests.user_service.signing_keys import (
    JWT_SECRET,
    OTHER_MASTER_KEY,
    UNTIL_IT_EXPIRES,
    UNTIL_IT_SIGNS,
    Installation,
    accepted,
    eventually,
    kid_of,
    publishes,
    read_again,
)
from user_service.identity.master_key import MasterKey, WrongMasterKey

# Every 10 seconds, and something for a machine that has much to do.
UNTIL_READ_AGAIN = 16.0


def test_a_revoked_key_is_refused_by_every_process_within_its_next_look(
    installation: Installation,
) -> None:
    services = [installation.service(), installation.service()]
    token = installation.token(services[0])
    stolen = private_key(installation.corner, kid_of(token))
    # Remembered by now as verified.
    assert [accepted(service, token) for service in services] == [True, True]
    ((kid, state),) = installation.listed("revoke", kid_of(token))
    assert (kid != kid_of(token), state) == (True, "signs")

    for service in services:
        eventually(partial(publishes, service, kid), UNTIL_READ_AGAIN)
        assert not accepted(service, token)
    claims = jwt.decode(token, options={"verify_signature": False})
    header = jwt.get_unverified_header(token)
    fresh = sign(header, {**claims, "exp": claims["exp"] + 600}, stolen)
    renamed = sign({**header, "kid": kid}, claims, stolen)
    for service in services:
        assert not accepted(service, fresh)
        assert not accepted(service, renamed)
        assert kid_of(installation.token(service)) == kid


def test_a_process_that_meets_an_unknown_key_reads_its_keys_again(
    installation: Installation,
) -> None:
    ahead, behind = installation.service(), installation.service()
    read_again(behind)
    old = installation.token(behind)
    ((kid, _),) = installation.listed("revoke", kid_of(old))
    read_again(ahead)
    eventually(partial(publishes, ahead, kid))
    token = installation.token(ahead)
    eventually(lambda: accepted(behind, token))
    assert not accepted(behind, old)


def test_whichever_key_is_revoked_another_one_signs_and_never_a_retired_one(
    installation: Installation,
) -> None:
    (k1,) = installation.kids()
    (k2, _), *rest = installation.listed("rotate")
    assert rest == [(k1, "signs")]
    assert installation.listed("rotate") == [(k2, "upcoming"), (k1, "signs")]
    assert installation.listed("revoke", k2) == [(k1, "signs")]
    (k3, _), _ = installation.listed("rotate")
    assert installation.listed("revoke", k1) == [(k3, "signs")]
    installation.listed("rotate")
    installation.let_pass(UNTIL_IT_SIGNS)
    (k4, *_), _ = installation.listed("list")
    assert installation.listed("list") == [(k4, "signs"), (k3, "retired")]
    (k5, _), *rest = installation.listed("revoke", k4)
    assert rest == [(k3, "retired")]
    assert installation.listed("revoke", k3) == [(k5, "signs")]
    ((k6, state),) = installation.listed("revoke", k5)
    assert (state, len({k1, k2, k3, k4, k5, k6})) == ("signs", 6)


def test_no_revocation_brings_an_expired_key_back(installation: Installation) -> None:
    (k1,) = installation.kids()
    installation.listed("rotate")
    installation.let_pass(UNTIL_IT_SIGNS + UNTIL_IT_EXPIRES)
    # Nobody has swept it away: there is no worker at this moment.
    ((k2, state),) = installation.listed("list")
    assert (state, installation.kids()) == ("signs", [k2, k1])
    ((k3, state),) = installation.listed("revoke", k2)
    assert (state, installation.kids()) == ("signs", [k3])


def test_it_is_written_down_who_changed_the_keys(installation: Installation) -> None:
    query = "SELECT account_id, actor, actor_id, action, detail FROM audit WHERE actor = 'operator'"
    (first,) = installation.kids()
    (second, _), _ = installation.listed("rotate")
    installation.listed("rotate")
    installation.listed("revoke", first)
    assert installation.command("revoke", first)[0] == 1
    operator = pwd.getpwuid(os.getuid()).pw_name
    assert [tuple(row) for row in installation.corner.rows(f"{query} ORDER BY id")] == [
        (None, "operator", operator, "signing_key_published", second),
        (None, "operator", operator, "signing_key_revoked", first),
    ]


def test_the_commands_are_read_by_people(installation: Installation) -> None:
    (kid,) = installation.kids()
    code, told, errors = installation.command("list")
    assert (code, errors) == (0, "")
    assert told.split()[:6] == ["kid", "state", "created", "at", "signs", "from"]
    assert (kid in told, "signs" in told) == (True, True)
    code, told, errors = installation.command("rotate")
    assert (code, errors, "is published" in told) == (0, "", True)
    code, told, _ = installation.command("rotate")
    assert (code, "under way already" in told) == (0, True)
    code, told, errors = installation.command("revoke", kid)
    assert (code, errors, f"{kid} is revoked" in told) == (0, "", True)
    installation.corner.rows("DELETE FROM signing_keys")
    code, told, errors = installation.command("list")
    assert (code, errors, "`migrate` makes the first one" in told) == (0, "", True)
    code, told, errors = installation.command("revoke", "--help")
    assert (code, "up to 5 minutes" in told) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "settings", "sentence"),
    [
        (["revoke", "unheard-of"], {}, "No key is called unheard-of"),
        (["rotate"], {"MASTER_KEY": OTHER_MASTER_KEY}, "MASTER_KEY is not the one"),
        (["revoke", "KID"], {"MASTER_KEY": OTHER_MASTER_KEY}, "MASTER_KEY is not the one"),
        (["list"], {"JWT_SECRET": JWT_SECRET}, "JWT_SECRET is set"),
        (["rotate"], {"JWT_SECRET": JWT_SECRET}, "JWT_SECRET is set"),
        (["list"], {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "does not answer"),
    ],
)
def test_a_command_that_cannot_be_done_says_why_and_changes_nothing(
    installation: Installation, arguments: list[str], settings: dict[str, str], sentence: str
) -> None:
    (kid,) = installation.kids()
    arguments = [argument.replace("KID", kid) for argument in arguments]
    code, told, errors = installation.command(*arguments, **settings)
    assert (code, told) == (1, "")
    assert sentence in " ".join(errors.split()), errors
    assert installation.kids() == [kid]


def test_nobody_signs_with_a_revoked_key_though_the_next_one_cannot_be_unsealed(
    installation: Installation,
) -> None:
    service = installation.service()
    token = installation.token(service)
    installation.corner.rows(
        """
        WITH old AS (DELETE FROM signing_keys RETURNING *)
        INSERT INTO signing_keys (kid, algorithm, public_key, sealed_private)
        SELECT 'sealed-elsewhere', algorithm, public_key, sealed_private FROM old
        """
    )
    read_again(service)

    def answer() -> httpx.Response:
        return httpx.post(
            f"{service.url}/api/auth/login", json=installation.person.credentials(), timeout=10
        )

    eventually(lambda: answer().status_code == 503)
    assert outcome(answer())[1] == "unavailable"
    headers = {"authorization": f"Bearer {token}"}
    assert httpx.get(f"{service.url}/v1/me", headers=headers).status_code == 503
    assert "Traceback" not in service.log


def test_a_service_with_another_master_key_is_not_ready_and_says_why_once(
    installation: Installation,
) -> None:
    service = installation.service(MASTER_KEY=OTHER_MASTER_KEY, ready="/health/live")
    eventually(lambda: "MASTER_KEY is not the one" in service.log)
    assert httpx.get(f"{service.url}/health/ready").status_code == 503
    told = [line for line in service.lines if line.get("what") == "signing keys"]
    assert len(told) == 1
    assert "Traceback" not in service.log


def test_migrating_with_another_master_key_says_what_to_do(installation: Installation) -> None:
    kids = installation.kids()
    code, _, errors = installation.run("migrate", MASTER_KEY=OTHER_MASTER_KEY)
    assert (code, f"not the one that key {kids[0]}" in " ".join(errors.split())) == (1, True)
    assert installation.kids() == kids
    assert installation.run("migrate")[0] == 0
    assert installation.kids() == kids


def test_a_clock_that_was_set_back_leaves_a_key_that_signs(installation: Installation) -> None:
    installation.let_pass(timedelta(hours=-2))
    service = installation.service()
    assert accepted(service, installation.token(service))
    assert [state for _, state in installation.listed("list")] == ["signs"]


def test_no_private_key_can_be_read_from_the_database(installation: Installation) -> None:
    installation.command("rotate")
    kids = installation.kids()
    dump = _dump(installation)
    for kid in kids:
        number = private_key(installation.corner, kid).private_numbers().private_value
        secret = number.to_bytes(32)
        assert secret.hex() not in dump
        assert str(number) not in dump
        assert base64.b64encode(secret).decode().rstrip("=") not in dump
        assert base64.urlsafe_b64encode(secret).decode().rstrip("=") not in dump
    assert "PRIVATE KEY" not in dump
    assert MASTER_KEY not in dump
    # And a sealed one cannot be put in another's place.
    sealed = installation.corner.rows(
        "SELECT sealed_private FROM signing_keys WHERE kid = $1", kids[0]
    )[0][0]
    with pytest.raises(WrongMasterKey):
        MasterKey(MASTER_KEY).unseal(sealed, bound_to=kids[1])


def _dump(installation: Installation) -> str:
    """Every row of every table, bytes in hex."""
    tables = installation.corner.rows(
        "SELECT format('%I', tablename) AS name FROM pg_tables WHERE schemaname = 'public'"
    )
    rows = []
    for table in tables:
        name = table["name"]
        rows += installation.corner.rows(f"SELECT t::text AS line FROM {name} AS t")
    assert any(kid in row["line"] for kid in installation.kids() for row in rows)
    return "\n".join(row["line"] for row in rows)
