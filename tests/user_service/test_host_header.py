"""Nothing reads Host or its relatives: what a caller puts there appears nowhere."""

from __future__ import annotations

import json

import pytest

from tests.mailroom import Mailroom
from tests.people import Person, fresh_network
from tests.raw_socket import RawAnswer, exchange
from tests.service_process import ServiceProcess

EVIL = b"evil.example"
TARGET = b"/api/auth/register"
REQUESTS = {
    "host": (TARGET, b"1.1", [b"Host: evil.example"]),
    "host with a port": (TARGET, b"1.1", [b"Host: evil.example:81"]),
    "host as text": (TARGET, b"1.1", [b"Host: evil.example/<script>"]),
    "forwarded host": (TARGET, b"1.1", [b"Host: localhost", b"X-Forwarded-Host: evil.example"]),
    "forwarded": (TARGET, b"1.1", [b"Host: localhost", b"Forwarded: host=evil.example"]),
    "forwarded server": (TARGET, b"1.1", [b"Host: localhost", b"X-Forwarded-Server: evil.example"]),
    "original url": (TARGET, b"1.1", [b"Host: localhost", b"X-Original-URL: http://evil.example"]),
    "absolute form": (b"http://evil.example" + TARGET, b"1.1", [b"Host: evil.example"]),
    "absolute form, other host": (b"http://evil.example" + TARGET, b"1.1", [b"Host: localhost"]),
    "http 1.0 without host": (TARGET, b"1.0", [b"X-Forwarded-Host: evil.example"]),
    "http 1.1 without host": (TARGET, b"1.1", [b"X-Forwarded-Host: evil.example"]),
}


def _send(
    service: ServiceProcess, target: bytes, version: bytes, lines: list[bytes], body: bytes
) -> RawAnswer:
    return exchange(
        service,
        b"\r\n".join(
            [
                b"POST %b HTTP/%b" % (target, version),
                *lines,
                b"X-Forwarded-For: " + fresh_network().encode(),
                b"Content-Type: application/json",
                b"Content-Length: %d" % len(body),
                b"",
                body,
            ]
        ),
    )


@pytest.mark.parametrize("how", REQUESTS)
def test_an_injected_host_is_in_no_answer_and_no_event(
    service: ServiceProcess, mailroom: Mailroom, how: str
) -> None:
    answer = _send(service, *REQUESTS[how], json.dumps(Person().registration()).encode())
    assert EVIL not in answer.content.lower()
    if how == "host as text":
        assert answer.status == 400
        return
    assert answer.status == 202
    body = json.loads(answer.content.partition(b"\r\n\r\n")[2])
    mailroom.about(body["data"]["registration_id"])
    for message in mailroom.raw:
        assert EVIL not in b"%r %r %r" % (message.value(), message.key(), message.headers())


@pytest.mark.parametrize("how", REQUESTS)
def test_an_injected_host_is_in_no_refusal(service: ServiceProcess, how: str) -> None:
    target, version, lines = REQUESTS[how]
    for path in (b"/api/auth/login", b"/nowhere"):
        answer = _send(service, target.replace(TARGET, path), version, lines, b"{}")
        assert EVIL not in answer.content.lower()
        assert answer.status in (400, 404)


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding:\r\n chunked",
        b"Content-Length: 4\r\nContent-Length: 5",
        b"Content-Length: +4",
        b"Content-Length: 4, 5",
        b"Content-Length: -1",
    ],
)
def test_a_request_of_doubtful_length_smuggles_no_second_one(
    service: ServiceProcess, framing: bytes
) -> None:
    smuggled = b"0\r\n\r\nGET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    answer = exchange(service, head + framing + b"\r\n\r\n" + smuggled)
    assert answer.status == 400
    assert answer.closed
    assert answer.content.count(b"HTTP/1.1 ") == 1
    assert b'{"status":"ok"}' not in answer.content
