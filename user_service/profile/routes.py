"""GET /api/auth/profile and /v1/me."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, get

from user_service.errors import TokenRejected, Unavailable
from user_service.profile.flow import Profile
from user_service.web.answers import Success, User, UserData
from user_service.web.exchange import exchange_of
from user_service.web.guard import Guard
from user_service.web.injected import Injected
from user_service.web.problems import documented


class ProfileRoutes(Controller):
    tags = ("Profile",)

    @get(
        ["/api/auth/profile", "/v1/me"],
        summary="Read one's own profile",
        responses=documented(TokenRejected, Unavailable),
        security=[{"access_token": []}],
    )
    async def read(
        self, request: Request[Any, Any, Any], profile: Injected[Profile], guard: Injected[Guard]
    ) -> Success[UserData]:
        claims = guard.claims(exchange_of(request.scope))
        account = await profile.read(claims)
        return Success("This is you.", UserData(User.of(account)))
