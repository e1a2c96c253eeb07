"""What the headers of a dead letter tell of its end, beside those that it came with."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct

from shared.events import Headers
from shared.topics import DEAD_LETTER_SUFFIX

PREFIX = "dead_"


class End(Struct, frozen=True):
    """One header for each field; `topic` is where the message came from."""

    topic: str
    at: str
    reason: str
    detail: str
    attempts: str

    def headers(self) -> Headers:
        # A reason in a provider's words may hold what is no text.
        return [
            (PREFIX + name, text.encode("utf-8", "backslashreplace"))
            for name, text in self.told().items()
        ]

    def told(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in self.__struct_fields__}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def end_in(headers: Headers, topic: str) -> End:
    """The end told by the headers of a letter on the dead-letter topic `topic`; gaps are empty."""
    told = {name: (value or b"").decode("utf-8", "replace") for name, value in headers}
    told.setdefault(PREFIX + "topic", topic.removesuffix(DEAD_LETTER_SUFFIX))
    return End(**{name: told.get(PREFIX + name, "") for name in End.__struct_fields__})


def original(headers: Headers) -> Headers:
    """The headers without an end: what dies again must not carry its first death along."""
    return [header for header in headers if not header[0].startswith(PREFIX)]
