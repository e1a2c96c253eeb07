"""Rows of the export that Clerk's dashboard makes, which alone has password digests."""

from __future__ import annotations

import re

from user_service.identity import clerk_store
from user_service.identity.password_hashes.foreign import UNREADABLE
from user_service.imports.candidates import NO_ADDRESS, UNVERIFIED, Candidate, candidate_of
from user_service.imports.columns import Columns
from user_service.imports.records import Record, Rejected

ID = re.compile(clerk_store.USER_ID)
NO_ID = "row without the id of a Clerk user"
SECOND_FACTOR_LOST = "second factor: there are none here"

# What their digests hold is known. Others use salts or peppers of their own, so that a password
# would never be right.
HASHERS = {
    "",
    "bcrypt",
    "argon2i",
    "argon2id",
    "pbkdf2_sha256",
    "pbkdf2_sha256_django",
    "scrypt_werkzeug",
}


def clerk_columns() -> Columns:
    needed = {"id", "primary_email_address", "verified_email_addresses"}
    read = {"first_name", "last_name", "username", "password_digest", "password_hasher"}
    return Columns(needed | read | {"totp_secret", "created_at"}, needed)


def clerk_candidate(row: Record) -> Candidate | Rejected:
    """The account that a user of Clerk shall have."""
    id, address = row["id"], row["primary_email_address"]
    who = id[:128] or address[:254]
    if not ID.fullmatch(id):
        return Rejected(row.line, NO_ID, "malformed", who)
    if not address:
        return Rejected(row.line, NO_ADDRESS, "skipped", who)
    if address.lower() not in _listed(row["verified_email_addresses"]):
        return Rejected(row.line, UNVERIFIED, "skipped", who)
    return _candidate(row, who)


def _candidate(row: Record, who: str) -> Candidate | Rejected:
    digest, hasher = row["password_digest"], row["password_hasher"]
    losses: list[str] = []
    if digest and hasher not in HASHERS:
        digest = ""
        losses.append(UNREADABLE)
    if row["totp_secret"]:
        losses.append(SECOND_FACTOR_LOST)
    return candidate_of(
        row,
        who,
        address=row["primary_email_address"],
        name=f"{row['first_name']} {row['last_name']}".strip(),
        username=row["username"],
        digest=_as_passlib(digest) if hasher == "pbkdf2_sha256" else digest,
        created_at=row["created_at"],
        clerk_id=row["id"],
        losses=losses,
    )


def _listed(cell: str) -> set[str]:
    # Exports of different age separate by one or the other.
    return {address.strip().lower() for address in re.split(r"[|,]", cell)}


def _as_passlib(digest: str) -> str:
    """Written as Django does, but with a salt in base64: as passlib writes it."""
    return "$" + digest.replace("pbkdf2_", "pbkdf2-", 1).replace("=", "")
