"""The shapes that administrators' answers have."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from user_service.admin import questions
from user_service.admin.flow import Inspection
from user_service.audit.audit_store import AuditEntry
from user_service.identity.account_store import Role, Status
from user_service.identity.directory_store import Member
from user_service.web.answers import LiveSession


class AdminUser(Struct, frozen=True):
    """An account as administrators see it; without a password its owner must set one first."""

    id: UUID
    name: str
    email: str
    username: str | None
    created_at: datetime
    status: Status
    role: Role
    has_password: bool

    @classmethod
    def of(cls, member: Member) -> AdminUser:
        account = member.account
        return cls(
            account.id,
            account.name,
            account.email,
            account.username,
            account.created_at,
            member.status,
            member.role,
            member.has_password,
        )


class AdminUserData(Struct, frozen=True):
    user: AdminUser


class UserPage(Struct, frozen=True):
    """`next` is sent back as `after` for the page that follows; null at the end."""

    users: list[AdminUser]
    next: str | None

    @classmethod
    def of(cls, members: list[Member], limit: int) -> UserPage:
        full = len(members) == limit
        return cls(
            [AdminUser.of(member) for member in members],
            questions.cursor_at(members[-1]) if full else None,
        )


class AuditPage(Struct, frozen=True):
    """`next` is sent back as `after` for the page that follows; null at the end."""

    entries: list[AuditEntry]
    next: str | None

    @classmethod
    def of(cls, entries: list[AuditEntry], limit: int) -> AuditPage:
        full = len(entries) == limit
        return cls(
            entries,
            questions.cursor_of_entry(entries[-1]) if full else None,
        )


class InspectedUser(Struct, frozen=True):
    """`sessions` are the live ones, `audit` the last entries about the account; newest first."""

    user: AdminUser
    sessions: list[LiveSession]
    audit: list[AuditEntry]

    @classmethod
    def of(cls, inspection: Inspection) -> InspectedUser:
        return cls(
            AdminUser.of(inspection.member),
            [LiveSession.of(session) for session in inspection.sessions],
            inspection.recent,
        )
