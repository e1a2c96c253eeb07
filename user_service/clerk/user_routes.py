"""GET /api/users/by-clerk-id/{id}: for other services, and for administrators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import Parameter
from msgspec import Struct

from user_service.clerk.users import ClerkUsers
from user_service.errors import (
    AdminsOnly,
    ClientRejected,
    InvalidFields,
    NoSuchUser,
    TokenRejected,
    Unavailable,
)
from user_service.identity.account_store import Status
from user_service.identity.clerk_link_store import LinkedAccount
from user_service.web.answers import Success
from user_service.web.basic_auth import BASIC, basic_credentials, is_basic
from user_service.web.exchange import AnyRequest, exchange_of
from user_service.web.guard import BEARER, claims_of
from user_service.web.injected import Injected
from user_service.web.problems import documented

ClerkId = Annotated[
    str, Parameter(pattern="^[A-Za-z0-9_-]{1,128}$", description="Clerk's user id, `user_…`.")
]


class LinkedUser(Struct, frozen=True):
    """An account as other services see it; nobody can log in to a disabled one."""

    id: UUID
    name: str
    email: str
    username: str | None
    created_at: datetime
    status: Status

    @classmethod
    def of(cls, linked: LinkedAccount) -> LinkedUser:
        account = linked.account
        return cls(
            account.id,
            account.name,
            account.email,
            account.username,
            account.created_at,
            linked.status,
        )


class LinkedUserData(Struct, frozen=True):
    user: LinkedUser


@get(
    "/api/users/by-clerk-id/{clerk_id:str}",
    tags=["Clerk"],
    security=BASIC + BEARER,
    summary="Look up whom a user of Clerk is here",
    description="For other services, with their client credentials, and for administrators.",
    responses=documented(
        AdminsOnly, ClientRejected, InvalidFields, NoSuchUser, TokenRejected, Unavailable
    ),
)
async def by_clerk_id(
    request: AnyRequest, clerk_id: ClerkId, clerk_users: Injected[ClerkUsers]
) -> Success[LinkedUserData]:
    linked = await _find(request, clerk_id, clerk_users)
    return Success(message="This is the user.", data=LinkedUserData(LinkedUser.of(linked)))


async def _find(request: AnyRequest, clerk_id: str, clerk_users: ClerkUsers) -> LinkedAccount:
    exchange = exchange_of(request)
    header = exchange.headers.get(b"authorization", b"")
    if is_basic(header):
        linked = await clerk_users.for_service(basic_credentials(header), clerk_id)
        exchange.subject = str(linked.account.id)
        return linked
    return await clerk_users.for_admin(claims_of(request), clerk_id, exchange.client)
