"""What the load generator tells of a server: every figure of the benchmark stands on that."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from dev_stack.ports import free_port
from tests.load import Generator, wire

SLOW_SECONDS = 0.3
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
BUSY = b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server of one request at a time: /slow takes its seconds, /busy is refused, /lost too."""
    loop, port, turn = asyncio.new_event_loop(), free_port(), asyncio.Lock()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(4096):
            path = head.split()[1]
            async with turn:
                await asyncio.sleep(SLOW_SECONDS if path == b"/slow" else 0)
            if path == b"/lost":
                break
            answer = BUSY if path == b"/busy" else OK
            writer.write(answer[:20])
            await asyncio.sleep(0)
            writer.write(answer[20:])
        writer.close()

    loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", port))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


@pytest.fixture(scope="module")
def generator() -> Iterator[Generator]:
    with Generator.started({0}) as generator:
        yield generator


def test_a_wait_counts_from_when_a_request_was_due(generator: Generator, url: str) -> None:
    requests = [wire("GET", "/slow")] + [wire("GET", "/")] * 60
    run = generator.open(url, requests, rate=300, connections=4)
    # A loop that waits for its answers would have sent four of them, and called the rest fast.
    waited = [answer for answer in run.answers if answer.seconds > SLOW_SECONDS / 4]
    assert len(waited) > 20
    assert len(run.answers) == 61


def test_answers_of_an_open_loop_are_in_the_order_of_their_requests(
    generator: Generator, url: str
) -> None:
    before = time.perf_counter()
    requests = [wire("GET", path) for path in ("/slow", "/busy", "/", "/lost", "/")]
    run = generator.open(url, requests, rate=300, connections=5)
    assert [answer.status for answer in run.answers] == [200, 503, 200, 0, 200]
    assert before < run.epoch < time.perf_counter()


def test_a_closed_loop_ends_when_its_requests_do(generator: Generator, url: str) -> None:
    run = generator.closed(url, [wire("GET", "/")] * 30, connections=3, seconds=60)
    assert run.statuses == {200: 30}
    assert run.rate == pytest.approx(30 / run.seconds)


def test_refusals_and_losses_are_told_from_answers(generator: Generator, url: str) -> None:
    requests = [wire("GET", path) for path in ("/", "/busy", "/lost", "/")]
    good, busy, lost, again = generator.all(url, requests, connections=1)
    assert (good.status, good.body) == (200, b"hi")
    assert (busy.status, busy.retry_after) == (503, 7)
    assert lost.status == 0
    assert again.status == 200
