"""The proxy does to a connection what its name says: every fault test stands on that."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.proxy import Proxy


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it is sent."""

    def answer(connection: socket.socket) -> None:
        with connection, suppress(ConnectionResetError):
            while piece := connection.recv(1024):
                connection.sendall(piece)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with Proxy.before(echo) as proxy:
        yield proxy


def connected(proxy: Proxy, timeout: float = 5) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout)


def ask(connection: socket.socket) -> bytes:
    connection.sendall(b"hello")
    return connection.recv(1024)


def test_it_lets_both_directions_pass(proxy: Proxy) -> None:
    with connected(proxy) as connection:
        assert ask(connection) == b"hello"


def test_refusing_resets_what_is_open_and_turns_away_what_comes(proxy: Proxy) -> None:
    with connected(proxy) as connection:
        assert ask(connection) == b"hello"
        proxy.refuse()
        with pytest.raises(ConnectionResetError):
            connection.recv(1024)
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    proxy.let_pass()
    with connected(proxy) as connection:
        assert ask(connection) == b"hello"


def test_a_black_hole_connects_and_says_nothing_until_it_is_closed(proxy: Proxy) -> None:
    with connected(proxy) as before:
        assert ask(before) == b"hello"
        proxy.blackhole()
        with connected(proxy, timeout=0.2) as during:
            for connection in (before, during):
                connection.settimeout(0.2)
                with pytest.raises(TimeoutError):
                    ask(connection)
            proxy.let_pass()
            for connection in (before, during):
                connection.settimeout(5)
                assert connection.recv(1024) == b"hello"


def test_a_delay_holds_back_both_directions(proxy: Proxy) -> None:
    proxy.delay(0.2)
    with connected(proxy) as connection:
        began = time.monotonic()
        assert ask(connection) == b"hello"
        assert time.monotonic() - began >= 0.4


def test_a_reset_spares_the_connections_that_follow(proxy: Proxy) -> None:
    with connected(proxy) as connection:
        assert ask(connection) == b"hello"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            connection.recv(1024)
    with connected(proxy) as connection:
        assert ask(connection) == b"hello"


def test_a_throttled_connection_carries_so_much_a_second(proxy: Proxy) -> None:
    proxy.throttle(20)
    with connected(proxy) as connection:
        began = time.monotonic()
        assert ask(connection) == b"hello"
        assert time.monotonic() - began >= 0.5


def test_a_round_trip_is_a_question_and_its_answer_however_many_pieces_they_have(
    proxy: Proxy,
) -> None:
    with connected(proxy) as connection, connected(proxy) as another:
        for _ in range(3):
            assert ask(connection) == b"hello"
        assert ask(another) == b"hello"
    assert proxy.round_trips == 4
