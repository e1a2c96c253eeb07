"""The door for Clerk's webhooks: signed by Svix, lately, over this very body; or one and the same
refusal."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from tests.corner import Corner
from tests.service_process import ServiceProcess
from tests.user_service.clerk import (
    OTHER_SECRET,
    PATHS,
    SECRET,
    Clerk,
    ClerkUser,
    headers,
    records,
    signature,
    told,
)
from user_service.clerk.signature import Delivery, require_signed
from user_service.errors import WebhookRejected

UNKNOWN_SECRET = "whsec_" + base64.b64encode(b"a key of somebody else's own....").decode()
BODY = told("user.created", ClerkUser().data)
FAMILY = ("id", "timestamp", "signature")


@pytest.fixture(scope="module")
def door(corner: Corner) -> Iterator[httpx.Client]:
    with (
        ServiceProcess.started(
            corner.variables, CLERK_WEBHOOK_SECRETS=f"{SECRET}, {OTHER_SECRET}"
        ) as service,
        httpx.Client(base_url=service.url, timeout=10) as client,
    ):
        yield client


def test_the_documented_vector_is_accepted_at_its_time_only() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    shown = {
        b"svix-id": b"msg_p5jXN8AQM9LWM0D4loKWxJek",
        b"svix-timestamp": b"1614265330",
        b"svix-signature": b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    body = b'{"test": 2432232314}'
    for now in (1614265330 - 300, 1614265330, 1614265330 + 300):
        delivery = require_signed(shown, body, (b"another", key), now)
        assert delivery == Delivery("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330)
    for now in (1614265330 - 301, 1614265330 + 301):
        with pytest.raises(WebhookRejected):
            require_signed(shown, body, (key,), now)
    with pytest.raises(WebhookRejected):
        require_signed(shown, body, (), 1614265330)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("family", ["svix", "webhook"])
@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET], ids=["old secret", "new secret"])
def test_a_signed_message_is_taken_under_both_names_with_either_secret(
    door: httpx.Client, path: str, family: str, secret: str
) -> None:
    shown = headers(BODY, secret=secret)
    renamed = {name.replace("svix", family): value for name, value in shown.items()}
    answer = door.post(path, content=BODY, headers=renamed)
    assert answer.status_code == 200
    assert answer.json() == {"status": "success", "message": "Taken.", "data": None}


def test_one_right_signature_among_others_is_enough(door: httpx.Client) -> None:
    shown = headers(BODY)
    others = "v2,AAAA v1,bm90aGluZw== v1a,zzzz"
    shown["svix-signature"] = f"{others} {shown['svix-signature']}"
    assert door.post(PATHS[0], content=BODY, headers=shown).status_code == 200


def test_a_message_is_on_kafka_when_it_is_answered_and_only_once(
    door: httpx.Client, corner: Corner
) -> None:
    clerk, body = Clerk(door), told("user.updated", ClerkUser().data)
    before = records(corner)
    for path in (*PATHS, *PATHS):
        assert clerk.deliver(body, path, id="msg_the-same-again").status_code == 200
    assert records(corner) == before + 1
    assert clerk.deliver(body, id="msg_another").status_code == 200
    assert records(corner) == before + 2


def test_what_is_not_about_a_user_is_taken_and_left(door: httpx.Client, corner: Corner) -> None:
    clerk, before = Clerk(door), records(corner)
    for kind in ("session.created", "organization.deleted", "email.created", ""):
        assert clerk.deliver(told(kind, {"id": "sess_1"})).status_code == 200
    assert records(corner) == before


def stamped(at: object) -> dict[str, str]:
    """Signed, with whatever stands for the time."""
    shown = headers(BODY, id="msg_1")
    return shown | {
        "svix-timestamp": str(at),
        "svix-signature": signature(BODY, "msg_1", str(at)),
    }


def named(id: str) -> dict[str, str]:
    shown = headers(BODY)
    return shown | {"svix-id": id, "svix-signature": signature(BODY, id, shown["svix-timestamp"])}


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in headers(BODY).items() if key != name}


def signed_as(text: str, at: int) -> dict[str, str]:
    return headers(BODY, id="msg_1", at=at) | {"svix-signature": text}


def forged() -> dict[str, tuple[bytes, dict[str, str]]]:
    """Made anew, or their age would be all that is wrong with them."""
    now = int(time.time())
    right = signature(BODY, "msg_1", now)
    as_it_is = partial(signed_as, at=now)
    return {
        "no headers": (BODY, {}),
        "no id": (BODY, without("svix-id")),
        "no time": (BODY, without("svix-timestamp")),
        "no signature": (BODY, without("svix-signature")),
        "a secret of somebody else": (BODY, headers(BODY, secret=UNKNOWN_SECRET)),
        "five minutes and more old": (BODY, headers(BODY, at=now - 330)),
        "five minutes and more ahead": (BODY, headers(BODY, at=now + 330)),
        "from 1970": (BODY, stamped(0)),
        "a time in milliseconds": (BODY, stamped(now * 1000)),
        "a negative time": (BODY, stamped(-now)),
        "a time with a sign": (BODY, stamped(f"+{now}")),
        "a time with a fraction": (BODY, stamped(f"{now}.0")),
        "a time in hexadecimal": (BODY, stamped(hex(now))),
        "a time with blanks": (BODY, stamped(f"{now} 1")),
        "a time of many digits": (BODY, stamped("9" * 400)),
        "a time of other digits": (BODY, stamped("١٢٣٤٥٦٧٨٩٠".encode().decode("latin-1"))),
        "no time at all": (BODY, stamped("now")),
        "another id": (BODY, headers(BODY) | {"svix-id": "msg_other"}),
        "an id with a dot moved": (BODY, named("msg_1.") | {"svix-id": "msg_1"}),
        "an id of blanks": (BODY, named("msg 1")),
        "an id of many characters": (BODY, named("m" * 4000)),
        "an id with a line": (BODY, named("msg\t1")),
        "one byte more": (BODY + b" ", headers(BODY)),
        "one byte less": (BODY[:-1], headers(BODY)),
        "one byte changed": (BODY.replace(b"Ann", b"Bob"), headers(BODY)),
        "another body": (told("user.deleted", {"id": "user_1"}), headers(BODY)),
        "no body": (b"", headers(BODY)),
        "garbage for a signature": (BODY, as_it_is("garbage")),
        "no base64": (BODY, as_it_is("v1,abc")),
        "empty": (BODY, as_it_is("")),
        "an empty signature": (BODY, as_it_is("v1,")),
        "another version": (BODY, as_it_is(right.replace("v1,", "v2,"))),
        "no version": (BODY, as_it_is(right.removeprefix("v1,"))),
        "a truncated signature": (BODY, as_it_is(right[:-8])),
        "commas for blanks": (BODY, as_it_is(f"v1,AAAA,{right}")),
        "behind ten others": (BODY, as_it_is("v1,AAAA " * 10 + right)),
        "signed by nothing": (BODY, headers(BODY, secret="whsec_")),
        "the secret's text as the key": (
            BODY,
            headers(BODY, secret=base64.b64encode(SECRET.encode()).decode()),
        ),
        "names of two families": (
            BODY,
            {**without("svix-signature"), "webhook-signature": headers(BODY)["svix-signature"]},
        ),
        "many signatures": (BODY, as_it_is("v1,AAAA " * 500 + "v1,AAAA")),
    }


# Signed as they should be, but nothing that Clerk would say.
USER = ClerkUser().data
MALFORMED: dict[str, bytes] = {
    "no JSON": b"hello",
    "a list": b"[]",
    "null": b"null",
    "half of it": BODY[:200],
    "no UTF-8": b'{"type": "user.created", "data": {"id": "\xff\xfe"}}',
    "nested without end": b'{"type":"user.created","data":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "no type": json.dumps({"data": USER}).encode(),
    "a type of numbers": json.dumps({"type": 7, "data": USER}).encode(),
    "no data": json.dumps({"type": "user.created"}).encode(),
    "data is a text": told("user.created", "user_1"),
    "no user id": told("user.created", {k: v for k, v in USER.items() if k != "id"}),
    "an id of a number": told("user.created", USER | {"id": 7}),
    "an id with a slash": told("user.created", USER | {"id": "user_1/../2"}),
    "an id with a line's end": told("user.created", USER | {"id": "user_1\n"}),
    "an id of NUL": told("user.created", USER | {"id": "user_\x00"}),
    "an id of many characters": told("user.deleted", {"id": "u" * 4000}),
    "no updated_at": told("user.updated", {k: v for k, v in USER.items() if k != "updated_at"}),
    "updated_at in words": told("user.updated", USER | {"updated_at": "yesterday"}),
    "updated_at before all time": told("user.updated", USER | {"updated_at": -1}),
    "updated_at beyond all time": told("user.updated", USER | {"updated_at": 10**18}),
    "a timestamp in words": json.dumps(
        {"type": "user.created", "data": USER, "timestamp": "now"}
    ).encode(),
    "addresses are a text": told("user.created", USER | {"email_addresses": "a@example.org"}),
    "an address is a number": told("user.created", USER | {"email_addresses": [1]}),
    "a name is a list": told("user.created", USER | {"first_name": ["Ann"]}),
}


def test_the_signature_that_the_forgeries_spoil_is_right(door: httpx.Client) -> None:
    now = int(time.time())
    shown = signed_as("v1,AAAA " * 9 + signature(BODY, "msg_1", now), now)
    assert door.post(PATHS[0], content=BODY, headers=shown).status_code == 200


def refusal_of(answer: httpx.Response) -> dict[str, object]:
    body: dict[str, object] = answer.json()
    body.pop("request_id")
    return body | {"status code": answer.status_code, "type": answer.headers["content-type"]}


def test_everything_unsigned_stale_or_malformed_is_one_and_the_same_400(
    door: httpx.Client, corner: Corner
) -> None:
    before, refusals = records(corner), {}
    for path in PATHS:
        for name, (body, shown) in forged().items():
            raw = {key.encode(): value.encode("latin-1") for key, value in shown.items()}
            refusals[path, name] = refusal_of(door.post(path, content=body, headers=raw))
        for name, body in MALFORMED.items():
            refusals[path, name] = refusal_of(door.post(path, content=body, headers=headers(body)))
        for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            shown = {"content-type": media}
            refusals[path, media] = refusal_of(door.post(path, content=BODY, headers=shown))
    first = refusals[PATHS[0], "no headers"]
    assert first["status code"] == 400
    assert first["code"] == "webhook_rejected"
    assert {name: each for name, each in refusals.items() if each != first} == {}
    assert len(refusals) >= 2 * 60
    assert records(corner) == before


def test_more_than_clerk_ever_sends_is_not_read(door: httpx.Client, corner: Corner) -> None:
    before = records(corner)
    for size, statuses in ((50_000, {200}), (80_000, {400, 0})):
        body = told("user.created", USER | {"public_metadata": "x" * size})
        try:
            status = door.post(PATHS[0], content=body, headers=headers(body)).status_code
        except httpx.TransportError:
            status = 0  # refused while it still came
        assert status in statuses
    assert records(corner) == before + 1


def test_a_replay_is_refused_after_its_five_minutes(door: httpx.Client) -> None:
    now = int(time.time())
    shown = headers(BODY, id="msg_replayed", at=now - 290)
    assert door.post(PATHS[0], content=BODY, headers=shown).status_code == 200
    # The same signature with a newer time on it.
    shown["svix-timestamp"] = str(now)
    assert door.post(PATHS[0], content=BODY, headers=shown).status_code == 400


def test_without_a_secret_there_is_nothing_here(service: ServiceProcess) -> None:
    for path in PATHS:
        answer = httpx.post(service.url + path, content=BODY, headers=headers(BODY))
        assert answer.status_code == 404


def test_nothing_of_clerks_metadata_reaches_kafka_or_the_log(
    corner: Corner,
) -> None:
    with ServiceProcess.started(corner.variables, CLERK_WEBHOOK_SECRETS=SECRET) as service:
        body = told("user.created", ClerkUser(email="private.person@example.org").data)
        with httpx.Client(base_url=service.url) as client:
            assert Clerk(client).deliver(body).status_code == 200
        assert "private.person" not in service.log
