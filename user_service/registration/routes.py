"""POST /api/auth/register, /resend-otp and /verify-otp."""

from __future__ import annotations

from litestar import Controller, Response, post
from litestar.status_codes import HTTP_201_CREATED, HTTP_202_ACCEPTED
from msgspec import Struct

from user_service.errors import (
    AddressTaken,
    CodeExpired,
    GuessesSpent,
    Overloaded,
    RegistrationIdRequired,
    UsernameTaken,
    WrongCode,
)
from user_service.identity.challenge_store import Issued
from user_service.registration.flow import Registration, Wish
from user_service.web.answers import Success, User, UserData
from user_service.web.cookies import RegistrationCookie
from user_service.web.exchange import AnyRequest, Exchange, exchange_of
from user_service.web.fields import ChallengeId, Email, Name, Otp, Password, Username
from user_service.web.injected import Injected
from user_service.web.problems import EVERY_POST, documented


class RegisterRequest(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    email: Email
    password: Password
    username: Username | None = None


class ResendRequest(Struct, frozen=True, forbid_unknown_fields=True):
    registration_id: ChallengeId | None = None


class VerifyRequest(Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    otp: Otp
    registration_id: ChallengeId | None = None


class Started(Struct, frozen=True):
    """Seconds until the code expires, and until another may be asked for."""

    registration_id: str
    expires_in: int
    resend_in: int


class RegistrationRoutes(Controller):
    path = "/api/auth"
    tags = ("Registration",)

    @post(
        "/register",
        status_code=HTTP_202_ACCEPTED,
        summary="Register: a code is mailed to the address",
        responses=documented(*EVERY_POST, Overloaded, UsernameTaken),
    )
    async def register(
        self,
        request: AnyRequest,
        data: RegisterRequest,
        registration: Injected[Registration],
    ) -> Response[Success[Started]]:
        wish = Wish(
            name=data.name, email=data.email, password=data.password, username=data.username
        )
        exchange = exchange_of(request)
        return _started(await registration.start(wish, exchange.client), registration, exchange)

    @post(
        "/resend-otp",
        status_code=HTTP_202_ACCEPTED,
        summary="Ask for another code",
        responses=documented(*EVERY_POST, CodeExpired, GuessesSpent, RegistrationIdRequired),
    )
    async def resend(
        self,
        request: AnyRequest,
        data: ResendRequest,
        registration: Injected[Registration],
    ) -> Response[Success[Started]]:
        exchange = exchange_of(request)
        registration_id = _named(request, data.registration_id)
        if registration_id is None:
            raise RegistrationIdRequired
        issued = await registration.resend(registration_id, exchange.client)
        return _started(issued, registration, exchange)

    @post(
        "/verify-otp",
        status_code=HTTP_201_CREATED,
        summary="Verify the code: the account is created",
        responses=documented(
            *EVERY_POST, AddressTaken, CodeExpired, GuessesSpent, RegistrationIdRequired, WrongCode
        ),
    )
    async def verify(
        self,
        request: AnyRequest,
        data: VerifyRequest,
        registration: Injected[Registration],
    ) -> Response[Success[UserData]]:
        exchange = exchange_of(request)
        account = await registration.verify(
            _named(request, data.registration_id), data.email, data.otp, exchange.client
        )
        exchange.subject = str(account.id)
        message = "Your account is ready. Log in to get an access token."
        cookie = RegistrationCookie(secure=exchange.https)
        return Response(
            Success(message=message, data=UserData(User.of(account))), cookies=[cookie.dropped()]
        )


def _named(request: AnyRequest, in_body: str | None) -> str | None:
    """The registration that a request is about: the body wins over the cookie."""
    exchange = exchange_of(request)
    return in_body or RegistrationCookie(secure=exchange.https).held(exchange.headers)


def _started(
    issued: Issued, registration: Registration, exchange: Exchange
) -> Response[Success[Started]]:
    cookie = RegistrationCookie(secure=exchange.https)
    started = Started(issued.challenge_id, issued.lifetime, registration.limits.mail_interval)
    return Response(
        Success(message="A code is on its way if the address can receive mail.", data=started),
        cookies=[cookie.holding(issued.challenge_id, registration.lifetime)],
    )
