"""The cookie that binds a browser to its own registration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from litestar.datastructures import Cookie


@dataclass(frozen=True, slots=True)
class RegistrationCookie:
    """`__Host-registration` on https; no prefix on http, which only development may use."""

    secure: bool

    @property
    def name(self) -> str:
        return "__Host-registration" if self.secure else "registration"

    def held(self, headers: Mapping[bytes, bytes]) -> str | None:
        """What stands for the registration's id, if a request brings it.

        Not by Litestar, which keeps what it has read of a thousand callers' cookies, nor by
        Python, whose parser can be kept busy. Of what is too long for an id the rest is left out.
        """
        name = re.escape(self.name).encode()
        found = re.search(rb"(?:^|; ?)" + name + rb"=([^;]{1,64})", headers.get(b"cookie", b""))
        return found[1].decode("latin-1") if found else None

    def holding(self, registration_id: str, seconds: int) -> Cookie:
        return Cookie(
            key=self.name,
            value=registration_id,
            max_age=seconds,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="strict",
        )

    def dropped(self) -> Cookie:
        return self.holding("", 0)
