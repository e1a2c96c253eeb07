"""POST /api/auth/change-email and /change-email/verify."""

from __future__ import annotations

from litestar import Controller, post
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED
from msgspec import Struct

from user_service.errors import (
    AddressTaken,
    CodeExpired,
    GuessesSpent,
    Overloaded,
    TokenRejected,
    WrongCode,
    WrongPassword,
)
from user_service.profile.address_change import AddressChange
from user_service.web.answers import Success, User, UserData
from user_service.web.exchange import AnyRequest, exchange_of
from user_service.web.fields import ChallengeId, Email, Otp, Password
from user_service.web.guard import BEARER, claims_of
from user_service.web.injected import Injected
from user_service.web.problems import EVERY_POST, documented


class AddressChangeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    new_email: Email
    password: Password


class AddressProof(Struct, frozen=True, forbid_unknown_fields=True):
    """Without a `change_id` it is about the newest change that was asked for."""

    otp: Otp
    change_id: ChallengeId | None = None


class ChangeStarted(Struct, frozen=True):
    """Seconds until the code expires, and until the address may be sent another."""

    change_id: str
    expires_in: int
    resend_in: int


class AddressRoutes(Controller):
    path = "/api/auth"
    tags = ("Profile",)
    security = BEARER

    @post(
        "/change-email",
        status_code=HTTP_202_ACCEPTED,
        summary="Ask to move to another email address: a code is mailed to it",
        responses=documented(*EVERY_POST, Overloaded, TokenRejected, WrongPassword),
    )
    async def ask(
        self,
        request: AnyRequest,
        data: AddressChangeRequest,
        address_change: Injected[AddressChange],
    ) -> Success[ChangeStarted]:
        claims, client = claims_of(request), exchange_of(request).client
        issued = await address_change.ask(claims, data.new_email, data.password, client)
        started = ChangeStarted(
            issued.challenge_id, issued.lifetime, address_change.limits.mail_interval
        )
        return Success(
            message="A code is on its way if the address can receive mail.", data=started
        )

    @post(
        "/change-email/verify",
        status_code=HTTP_200_OK,
        summary="Verify the code: the account has the new address",
        responses=documented(
            *EVERY_POST, AddressTaken, CodeExpired, GuessesSpent, TokenRejected, WrongCode
        ),
    )
    async def verify(
        self, request: AnyRequest, data: AddressProof, address_change: Injected[AddressChange]
    ) -> Success[UserData]:
        claims, client = claims_of(request), exchange_of(request).client
        account = await address_change.verify(claims, data.change_id, data.otp, client)
        return Success(message="This is your address now.", data=UserData(User.of(account)))
