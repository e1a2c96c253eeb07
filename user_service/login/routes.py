"""POST /api/auth/login."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Controller, Request, post
from litestar.openapi.spec import Example
from litestar.params import Body
from litestar.status_codes import HTTP_200_OK
from msgspec import Struct

from user_service.errors import InvalidFields, Overloaded, WrongCredentials
from user_service.identity.addresses import canonical_address
from user_service.identity.names import canonical_username
from user_service.identity.session_store import Device
from user_service.login.flow import Identifier, LoggedIn, Login
from user_service.web.answers import Success, User
from user_service.web.exchange import exchange_of
from user_service.web.fields import Email, Password, Username
from user_service.web.injected import Injected
from user_service.web.problems import EVERY_POST, documented

LONGEST_USER_AGENT = 256


class LoginRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Exactly one of email and username."""

    password: Password
    email: Email | None = None
    username: Username | None = None

    def identifier(self) -> Identifier:
        """Raises InvalidFields."""
        if self.email is not None and self.username is None:
            return Identifier("email", canonical_address(self.email))
        if self.username is not None and self.email is None:
            return Identifier("username", canonical_username(self.username))
        raise InvalidFields(email="Send exactly one of email and username.")


EXAMPLE = Example(value={"email": "ann@example.org", "password": "plum kettle orbit"})


class Token(Struct, frozen=True):
    """`expires_in` is in seconds."""

    token: str
    expires_in: int
    user: User
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105


class LoginRoutes(Controller):
    path = "/api/auth"
    tags = ("Login",)

    @post(
        "/login",
        status_code=HTTP_200_OK,
        summary="Log in with an email address or a username",
        responses=documented(*EVERY_POST, Overloaded, WrongCredentials),
    )
    async def login(
        self,
        request: Request[Any, Any, Any],
        data: Annotated[LoginRequest, Body(examples=[EXAMPLE])],
        login: Injected[Login],
    ) -> Success[Token]:
        exchange = exchange_of(request.scope)
        user_agent = exchange.headers.get(b"user-agent", b"").decode("latin-1")
        device = Device(exchange.client.address, user_agent[:LONGEST_USER_AGENT])
        opened = await login.open_session(data.identifier(), data.password, exchange.client, device)
        exchange.subject = str(opened.account.id)
        return _token(opened, login.tokens.lifetime)


def _token(opened: LoggedIn, lifetime: int) -> Success[Token]:
    return Success(
        message="You are logged in.", data=Token(opened.token, lifetime, User.of(opened.account))
    )
