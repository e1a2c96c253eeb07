"""/api/admin/users and /api/admin/audit: for administrators only."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, post
from litestar.params import Parameter
from litestar.status_codes import HTTP_200_OK

from user_service.admin import questions
from user_service.admin.administrator import Administrator
from user_service.admin.answers import (
    AdminUser,
    AdminUserData,
    AuditPage,
    InspectedUser,
    UserPage,
)
from user_service.admin.flow import Administration
from user_service.errors import (
    AdminsOnly,
    InvalidFields,
    NoSuchUser,
    OriginRefused,
    OwnAccount,
    TokenRejected,
    Unavailable,
)
from user_service.identity.account_store import Role, Status
from user_service.identity.directory_store import Wanted
from user_service.web.answers import EndedSessions, Success
from user_service.web.exchange import AnyRequest, exchange_of
from user_service.web.guard import BEARER, claims_of
from user_service.web.injected import Injected
from user_service.web.problems import documented

SEARCH = "The beginning of an email address or username, or a whole id."
AFTER = "What the page before called next."
Search = Annotated[str | None, Parameter(min_length=1, max_length=254, description=SEARCH)]
After = Annotated[str | None, Parameter(max_length=64, description=AFTER)]
Limit = Annotated[int, Parameter(ge=1, le=100, description="How many at most.")]

READ = (AdminsOnly, InvalidFields, TokenRejected, Unavailable)
ABOUT_ONE = (AdminsOnly, InvalidFields, NoSuchUser, TokenRejected, Unavailable)
CHANGE = (*ABOUT_ONE, OriginRefused)


class AdminRoutes(Controller):
    path = "/api/admin"
    tags = ("Admin",)
    security = BEARER

    @get("/users", summary="Search accounts, newest first", responses=documented(*READ))
    async def search(
        self,
        request: AnyRequest,
        administration: Injected[Administration],
        search: Search = None,
        status: Status | None = None,
        role: Role | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        after: After = None,
        limit: Limit = 50,
    ) -> Success[UserPage]:
        who = _administrator(request)
        wanted = Wanted(
            beginning=questions.beginning(search) if search else None,
            status=status,
            role=role,
            created_after=questions.moment("created_after", created_after),
            created_before=questions.moment("created_before", created_before),
        )
        place = questions.place_of(after) if after is not None else None
        members = await administration.search(who, wanted, place, limit)
        return Success(message="These are the users.", data=UserPage.of(members, limit))

    @get(
        "/users/{user_id:uuid}",
        summary="Inspect an account: its sessions and recent audit entries",
        responses=documented(*ABOUT_ONE),
    )
    async def inspect(
        self, request: AnyRequest, user_id: UUID, administration: Injected[Administration]
    ) -> Success[InspectedUser]:
        inspection = await administration.inspect(_administrator(request), user_id)
        return Success(message="This is the user.", data=InspectedUser.of(inspection))

    @post(
        "/users/{user_id:uuid}/disable",
        status_code=HTTP_200_OK,
        summary="Disable an account: all of its tokens are dead at once",
        responses=documented(*CHANGE, OwnAccount),
    )
    async def disable(
        self, request: AnyRequest, user_id: UUID, administration: Injected[Administration]
    ) -> Success[AdminUserData]:
        member = await administration.disable(_administrator(request), user_id)
        return Success(message="The user is disabled.", data=AdminUserData(AdminUser.of(member)))

    @post(
        "/users/{user_id:uuid}/enable",
        status_code=HTTP_200_OK,
        summary="Let the owner of a disabled account log in again",
        responses=documented(*CHANGE),
    )
    async def enable(
        self, request: AnyRequest, user_id: UUID, administration: Injected[Administration]
    ) -> Success[AdminUserData]:
        member = await administration.enable(_administrator(request), user_id)
        return Success(message="The user is enabled.", data=AdminUserData(AdminUser.of(member)))

    @post(
        "/users/{user_id:uuid}/force-password-reset",
        status_code=HTTP_200_OK,
        summary="Withdraw a password: its owner is told to set another one",
        responses=documented(*CHANGE, OwnAccount),
    )
    async def force_reset(
        self, request: AnyRequest, user_id: UUID, administration: Injected[Administration]
    ) -> Success[AdminUserData]:
        member = await administration.force_reset(_administrator(request), user_id)
        return Success(message="The password is gone.", data=AdminUserData(AdminUser.of(member)))

    @delete(
        "/users/{user_id:uuid}/sessions",
        status_code=HTTP_200_OK,
        summary="End all sessions of an account",
        responses=documented(*CHANGE),
    )
    async def end_sessions(
        self, request: AnyRequest, user_id: UUID, administration: Injected[Administration]
    ) -> Success[EndedSessions]:
        ended = await administration.end_sessions(_administrator(request), user_id)
        return Success(message="The user is logged out.", data=EndedSessions(ended))

    @delete(
        "/users/{user_id:uuid}",
        status_code=HTTP_200_OK,
        summary="Delete an account, for good",
        responses=documented(*CHANGE, OwnAccount),
    )
    async def delete(
        self, request: AnyRequest, user_id: UUID, administration: Injected[Administration]
    ) -> Success[None]:
        await administration.delete(_administrator(request), user_id)
        return Success(message="The account is deleted.", data=None)

    @get("/audit", summary="Read the audit, newest first", responses=documented(*READ))
    async def audit(
        self,
        request: AnyRequest,
        administration: Injected[Administration],
        account_id: UUID | None = None,
        after: After = None,
        limit: Limit = 50,
    ) -> Success[AuditPage]:
        who = _administrator(request)
        before = questions.entry_of(after) if after is not None else None
        entries = await administration.audit(who, account_id, before, limit)
        return Success(message="This is what happened.", data=AuditPage.of(entries, limit))


def _administrator(request: AnyRequest) -> Administrator:
    """Whoever has a token; whether they are an admin is asked with everything they do."""
    return Administrator.by_token(claims_of(request), exchange_of(request).client)
