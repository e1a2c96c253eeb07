"""POST /api/auth/change-password."""

from __future__ import annotations

from litestar import Controller, post
from litestar.status_codes import HTTP_200_OK
from msgspec import Struct

from user_service.errors import Overloaded, TokenRejected, WrongPassword
from user_service.profile.password_change import PasswordChange
from user_service.web.answers import Success
from user_service.web.exchange import AnyRequest, exchange_of
from user_service.web.fields import Password
from user_service.web.guard import BEARER, claims_of
from user_service.web.injected import Injected
from user_service.web.problems import EVERY_POST, documented


class PasswordChangeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    current_password: Password
    new_password: Password


class PasswordRoutes(Controller):
    path = "/api/auth"
    tags = ("Profile",)

    @post(
        "/change-password",
        status_code=HTTP_200_OK,
        security=BEARER,
        summary="Change one's own password: every other session ends",
        responses=documented(*EVERY_POST, Overloaded, TokenRejected, WrongPassword),
    )
    async def change(
        self,
        request: AnyRequest,
        data: PasswordChangeRequest,
        password_change: Injected[PasswordChange],
    ) -> Success[None]:
        claims, client = claims_of(request), exchange_of(request).client
        await password_change.change(claims, data.current_password, data.new_password, client)
        return Success(
            message="Your password is changed. Your other sessions have ended.", data=None
        )
