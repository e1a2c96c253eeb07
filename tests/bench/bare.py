"""B, the yardstick: a bare Litestar JSON answer on granian."""

from __future__ import annotations

import sys

from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels
from granian.server import Server as Granian
from litestar import Litestar, get


@get("/")
async def answer() -> dict[str, str]:
    return {"hello": "world"}


app = Litestar([answer], openapi_config=None, logging_config=None)


if __name__ == "__main__":
    Granian(
        "tests.bench.bare:app",
        port=int(sys.argv[1]),
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.warning,
    ).serve()
