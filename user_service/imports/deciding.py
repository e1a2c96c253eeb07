"""What becomes of each row, in the order of the file and whatever the batches are."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from msgspec import Struct, field

from user_service.identity.account_batch_store import ImportedAccount
from user_service.identity.clerk_link_store import Link
from user_service.identity.clerk_store import ClerkUser
from user_service.imports.candidates import USERNAME_TAKEN, Candidate

OTHER_CLERK_USER = "account stands for another user of Clerk"
DELETED = "user deleted, at Clerk or here"
FOLLOWED = "webhooks know more of the user, and decide"

Outcome = Literal["created", "linked", "already here", "skipped"]


class Occupant(Struct):
    """Who has an address, and the Clerk user that the account stands for."""

    account_id: UUID
    clerk_id: str | None = None


class Situation(Struct):
    """What there is by addresses, ids of Clerk users and usernames; and what shall be added."""

    occupants: dict[str, Occupant]
    clerk_users: dict[str, ClerkUser]
    usernames: set[str]
    newcomers: list[ImportedAccount] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)


class Verdict(Struct, frozen=True):
    """`reason` says why nothing was made, `losses` what an account was made without."""

    outcome: Outcome
    reason: str = ""
    losses: tuple[str, ...] = ()


def decide(candidate: Candidate, there: Situation) -> Verdict:
    """Decide on one, and note what comes of it for those after it."""
    user = there.clerk_users.get(candidate.clerk_id or "")
    if user is not None:
        return _known(candidate, user)
    occupant = there.occupants.get(candidate.email)
    if occupant is None:
        return _create(candidate, there)
    if occupant.account_id == candidate.id:
        return _created_before(candidate)
    if candidate.clerk_id is None:
        return Verdict("already here")
    if occupant.clerk_id is not None:
        return Verdict("skipped", OTHER_CLERK_USER)
    _link(candidate, candidate.clerk_id, there, made_account=False)
    return Verdict("linked")


def _known(candidate: Candidate, user: ClerkUser) -> Verdict:
    if user.deleted:
        return Verdict("skipped", DELETED)
    if user.account_id is None:
        return Verdict("skipped", FOLLOWED)
    if user.account_id == candidate.id:
        return _created_before(candidate)
    return Verdict("already here")


def _created_before(candidate: Candidate) -> Verdict:
    """By a commit whose answer was lost, so that the batch is tried again."""
    return Verdict("created", losses=candidate.losses)


def _create(candidate: Candidate, there: Situation) -> Verdict:
    there.occupants[candidate.email] = Occupant(candidate.id)
    username = candidate.username
    taken = username is not None and username in there.usernames
    if username is not None and not taken:
        there.usernames.add(username)
    there.newcomers.append(
        ImportedAccount(
            id=candidate.id,
            email=candidate.email,
            name=candidate.name,
            username=None if taken else username,
            password_hash=candidate.password_hash,
            created_at=candidate.created_at,
        )
    )
    if candidate.clerk_id is not None:
        _link(candidate, candidate.clerk_id, there, made_account=True)
    lost = (USERNAME_TAKEN,) if taken else ()
    return Verdict("created", losses=candidate.losses + lost)


def _link(candidate: Candidate, clerk_id: str, there: Situation, *, made_account: bool) -> None:
    occupant = there.occupants[candidate.email]
    occupant.clerk_id = clerk_id
    there.clerk_users[clerk_id] = ClerkUser(id=clerk_id, account_id=occupant.account_id)
    there.links.append(Link(clerk_id, occupant.account_id, candidate.email, made_account))
