"""Rows of any other system's users: one for each, under names of ours."""

from __future__ import annotations

from user_service.imports.candidates import NO_ADDRESS, UNVERIFIED, Candidate, candidate_of
from user_service.imports.columns import Columns
from user_service.imports.records import Record, Rejected

YES = {"true", "t", "yes", "y", "1"}


def user_columns(*, verified: bool) -> Columns:
    """`verified` vouches for every address."""
    wanted = {"email", "email_verified", "name", "username", "password_hash", "created_at"}
    if verified:
        return Columns(wanted, {"email"})
    hint = "Where all addresses are verified, say --addresses-are-verified."
    return Columns(wanted, {"email", "email_verified"}, hint)


def user_candidate(row: Record, *, verified: bool) -> Candidate | Rejected:
    """The account that somebody shall have."""
    address = row["email"]
    who = address[:254]
    if not address:
        return Rejected(row.line, NO_ADDRESS, "skipped", who)
    if not verified and row["email_verified"].lower() not in YES:
        return Rejected(row.line, UNVERIFIED, "skipped", who)
    return candidate_of(
        row,
        who,
        address=address,
        name=row["name"],
        username=row["username"],
        digest=row["password_hash"],
        created_at=row["created_at"],
    )
