"""What becomes of each row, in the order of the file and whatever the batches are."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from user_service.identity.account_batch_store import ImportedAccount
from user_service.identity.clerk_link_store import Link
from user_service.identity.clerk_store import ClerkUser
from user_service.imports.candidates import USERNAME_TAKEN, Candidate
from user_service.imports.existing import AddressHolder, Existing

OTHER_CLERK_USER = "account stands for another user of Clerk"
DELETED = "user deleted, at Clerk or here"
FOLLOWED = "webhooks know more of the user, and decide"

Outcome = Literal["created", "linked", "completed", "already_here", "skipped"]


class Verdict(Struct, frozen=True):
    """`reason` says why nothing was made, `losses` what an account was made without."""

    outcome: Outcome
    reason: str = ""
    losses: tuple[str, ...] = ()


def decide(candidate: Candidate, existing: Existing) -> Verdict:
    """Decide on one, and note what comes of it for those after it."""
    user = existing.clerk_users.get(candidate.clerk_id or "")
    if user is not None:
        return _known(candidate, user, existing)
    holder = existing.holders.get(candidate.email)
    if holder is None:
        return _create(candidate, existing)
    if holder.account_id == candidate.id:
        return _created_before(candidate)
    if candidate.clerk_id is None:
        return Verdict("already_here")
    if holder.clerk_id is not None:
        return Verdict("skipped", OTHER_CLERK_USER)
    _link(candidate, candidate.clerk_id, existing, made_account=False)
    return Verdict("linked")


def _known(candidate: Candidate, user: ClerkUser, existing: Existing) -> Verdict:
    if user.deleted:
        return Verdict("skipped", DELETED)
    if user.account_id is None:
        return Verdict("skipped", FOLLOWED)
    if user.account_id == candidate.id:
        return _created_before(candidate)
    if user.account_id in existing.passwordless and candidate.password_hash is not None:
        # A webhook, or a file without digests, was faster.
        existing.passwordless.discard(user.account_id)
        existing.new_hashes[user.account_id] = candidate.password_hash
        return Verdict("completed", losses=candidate.losses)
    return Verdict("already_here")


def _created_before(candidate: Candidate) -> Verdict:
    """By a commit whose answer was lost, so that the batch is tried again."""
    return Verdict("created", losses=candidate.losses)


def _create(candidate: Candidate, existing: Existing) -> Verdict:
    existing.holders[candidate.email] = AddressHolder(candidate.id)
    username = candidate.username
    taken = username is not None and username in existing.usernames
    if username is not None and not taken:
        existing.usernames.add(username)
    existing.new_accounts.append(
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
        _link(candidate, candidate.clerk_id, existing, made_account=True)
        if candidate.password_hash is None:
            existing.passwordless.add(candidate.id)
    lost = (USERNAME_TAKEN,) if taken else ()
    return Verdict("created", losses=candidate.losses + lost)


def _link(candidate: Candidate, clerk_id: str, existing: Existing, *, made_account: bool) -> None:
    holder = existing.holders[candidate.email]
    holder.clerk_id = clerk_id
    existing.clerk_users[clerk_id] = ClerkUser(id=clerk_id, account_id=holder.account_id)
    existing.new_links.append(Link(clerk_id, holder.account_id, candidate.email, made_account))
