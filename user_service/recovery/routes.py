"""POST /api/auth/password-recovery and /reset-password."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller, post
from litestar.openapi.spec import Example
from litestar.params import Body
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED
from msgspec import Meta, Struct

from user_service.errors import (
    CodeExpired,
    GuessesSpent,
    InvalidFields,
    Overloaded,
    WrongCode,
)
from user_service.recovery.flow import Code, LinkToken, Recovery
from user_service.web.answers import Success
from user_service.web.exchange import AnyRequest, exchange_of
from user_service.web.fields import ChallengeId, Email, Otp, Password
from user_service.web.injected import Injected
from user_service.web.problems import EVERY_POST, documented

EITHER = "Send either token alone, or email, otp and recovery_id."


class RecoveryRequest(Struct, frozen=True, forbid_unknown_fields=True):
    email: Email


class RecoveryStarted(Struct, frozen=True):
    """Seconds until the code expires, and until another may be asked for."""

    recovery_id: str
    expires_in: int
    resend_in: int


class ResetRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Either the token of a mail's link, or its code with the address and the recovery_id."""

    new_password: Password
    token: (
        Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{32}\.[A-Za-z0-9_-]{43}$", max_length=76)]
        | None
    ) = None
    email: Email | None = None
    otp: Otp | None = None
    recovery_id: ChallengeId | None = None

    def proof(self) -> Code | LinkToken:
        """Raises InvalidFields about what is missing or too much."""
        parts = {"email": self.email, "otp": self.otp, "recovery_id": self.recovery_id}
        if self.token is not None:
            if too_much := [name for name, part in parts.items() if part is not None]:
                raise InvalidFields(**dict.fromkeys(too_much, EITHER))
            return LinkToken(self.token)
        if self.email is None or self.otp is None or self.recovery_id is None:
            missing = [name for name, part in parts.items() if part is None]
            raise InvalidFields(**dict.fromkeys(missing, EITHER))
        return Code(self.recovery_id, self.email, self.otp)


EXAMPLE = Example(
    value={
        "email": "ann@example.org",
        "otp": "123456",
        "recovery_id": "A" * 32,
        "new_password": "plum kettle orbit",
    }
)


class RecoveryRoutes(Controller):
    path = "/api/auth"
    tags = ("Recovery",)

    @post(
        "/password-recovery",
        status_code=HTTP_202_ACCEPTED,
        summary="Ask for a code that lets one set another password",
        responses=documented(*EVERY_POST),
    )
    async def ask(
        self, request: AnyRequest, data: RecoveryRequest, recovery: Injected[Recovery]
    ) -> Success[RecoveryStarted]:
        issued = await recovery.ask(data.email, exchange_of(request).client)
        started = RecoveryStarted(
            issued.challenge_id, issued.lifetime, recovery.limits.mail_interval
        )
        return Success(message="A code is on its way if the address has an account.", data=started)

    @post(
        "/reset-password",
        status_code=HTTP_200_OK,
        summary="Set another password with the mailed code or link: every session ends",
        responses=documented(*EVERY_POST, CodeExpired, GuessesSpent, Overloaded, WrongCode),
    )
    async def reset(
        self,
        request: AnyRequest,
        data: Annotated[ResetRequest, Body(examples=[EXAMPLE])],
        recovery: Injected[Recovery],
    ) -> Success[None]:
        exchange = exchange_of(request)
        account_id = await recovery.reset(data.proof(), data.new_password, exchange.client)
        exchange.subject = str(account_id)
        return Success(message="Your new password is set. Log in with it.", data=None)
