"""Just enough of an SMTP server to see what a sender does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

# Of a server whose words are none of ASCII's, nor of UTF-8's.
ENCODING = "latin-1"
# No command comes before it.
GREETING = ""


@dataclass
class SmtpServer:
    """`answers` replaces the answer to a command, or the greeting; an empty one is none at all.

    What came in is in `commands` and `mails`.
    """

    answers: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SmtpServer]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(self.answers.get(GREETING, "220 test").encode(ENCODING) + b"\r\n")
        while line := (await reader.readline()).decode().strip():
            self.commands.append(line)
            verb = line.split()[0].upper()
            answer = self.answers.get(verb, "354 go" if verb == "DATA" else "250 test")
            if answer:
                writer.write(answer.encode(ENCODING) + b"\r\n")
            if answer.startswith("354"):
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                writer.write(b"250 taken\r\n")
        writer.close()
