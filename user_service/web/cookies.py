"""The cookie that binds a browser to its own registration."""

from __future__ import annotations

from dataclasses import dataclass

from litestar.datastructures import Cookie


@dataclass(frozen=True, slots=True)
class RegistrationCookie:
    """`__Host-registration` on https; no prefix on http, which only development may use."""

    secure: bool

    @property
    def name(self) -> str:
        return "__Host-registration" if self.secure else "registration"

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
