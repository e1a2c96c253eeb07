"""POST /api/auth/login."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller, post
from litestar.openapi.spec import Example
from litestar.params import Body
from litestar.status_codes import HTTP_200_OK
from msgspec import Struct

from user_service.errors import InvalidFields, Overloaded, WrongCredentials
from user_service.identity.addresses import canonical_address
from user_service.identity.identifiers import Identifier
from user_service.identity.names import canonical_username
from user_service.login.flow import Login
from user_service.web.answers import Success, Tokens
from user_service.web.exchange import AnyRequest, device_of, exchange_of
from user_service.web.fields import Email, Password, Username
from user_service.web.injected import Injected
from user_service.web.problems import EVERY_POST, documented


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
        request: AnyRequest,
        data: Annotated[LoginRequest, Body(examples=[EXAMPLE])],
        login: Injected[Login],
    ) -> Success[Tokens]:
        exchange = exchange_of(request)
        opened = await login.open_session(
            data.identifier(), data.password, exchange.client, device_of(exchange)
        )
        exchange.subject = str(opened.account.id)
        return Success(message="You are logged in.", data=Tokens.of(opened, login.tokens.lifetime))
