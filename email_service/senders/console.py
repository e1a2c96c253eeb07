"""Prints each mail instead of sending it: for development only, since it shows the codes."""

from __future__ import annotations

import sys

from email_service.senders.sender import Mail


class Console:
    async def send(self, mail: Mail) -> None:
        rule = "─" * 72
        sys.stdout.write(f"{rule}\nTo: {mail.to}\nSubject: {mail.subject}\n\n{mail.text}\n{rule}\n")
        sys.stdout.flush()

    async def close(self) -> None:
        return
