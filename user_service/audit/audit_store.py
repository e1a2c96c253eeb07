"""The table `audit`: written in the same transaction as what it records, kept for AUDIT_DAYS."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from msgspec import Struct

from user_service.storage.postgres import Connection, Transaction, rows_in

ActorKind = Literal["self", "admin", "operator", "service"]
Outcome = Literal["done", "refused"]
Action = Literal[
    "registered",
    "logged_in",
    "refresh_token_replayed",
    "sessions_ended",
    "password_refused",
    "password_changed",
    "password_reset_requested",
    "password_reset",
    "password_withdrawn",
    "email_change_requested",
    "email_changed",
    "profile_updated",
    "disabled",
    "enabled",
    "role_changed",
    "deleted",
    "clerk_linked",
    "clerk_unlinked",
    "imported",
    "password_imported",
    # What administrators look at is written too: it says where a person lives and works.
    "inspected",
    "audit_read",
    # About no account: `detail` is the key, or the client's id.
    "signing_key_published",
    "signing_key_revoked",
    "client_added",
    "client_removed",
]


class Actor(Struct, frozen=True):
    """Who acts: `name` is an admin's account id, or what an operator or a service is called.

    `address` is where the request came from, if it came over the network.
    """

    kind: ActorKind
    name: str | None = None
    address: str | None = None

    @classmethod
    def oneself(cls, address: str) -> Actor:
        return cls("self", address=address)

    @classmethod
    def admin(cls, id: UUID, address: str) -> Actor:
        return cls("admin", str(id), address)


class AuditEntry(Struct, frozen=True):
    """Who did what to which account, from where.

    `actor_id` is an admin's account, or what an operator or a service is called. `account_id` is
    null when nobody had the address that was named.
    """

    id: int
    at: datetime
    account_id: UUID | None
    actor: ActorKind
    actor_id: str | None
    action: Action
    outcome: Outcome
    address: str | None
    detail: str


NEWEST = """
    SELECT id, at, account_id, actor, actor_id, action, outcome, host(address), detail
    FROM audit
    WHERE ($1::uuid IS NULL OR account_id = $1) AND ($2::bigint IS NULL OR id < $2)
    ORDER BY id DESC LIMIT $3
"""


async def write(
    tx: Transaction,
    account_id: UUID | None,
    action: Action,
    by: Actor,
    *,
    outcome: Outcome = "done",
    detail: str = "",
) -> None:
    """`account_id` is whom it is about; None when nobody has the address that was named."""
    await tx.execute(
        """
        INSERT INTO audit (account_id, actor, actor_id, action, outcome, address, detail)
        VALUES ($1, $2, $3, $4, $5, $6::text::inet, $7)
        """,
        account_id,
        by.kind,
        by.name,
        action,
        outcome,
        by.address,
        detail,
    )


async def write_each(
    tx: Transaction, about: Sequence[tuple[UUID, str]], action: Action, by: Actor
) -> None:
    """The same that was done to many accounts; with the detail of each."""
    await tx.execute(
        """
        INSERT INTO audit (account_id, actor, actor_id, action, outcome, detail)
        SELECT account_id, $3, $4, $5, 'done', detail
        FROM unnest($1::uuid[], $2::text[]) AS entry (account_id, detail)
        """,
        [account_id for account_id, _ in about],
        [detail for _, detail in about],
        by.kind,
        by.name,
        action,
    )


async def newest(
    connection: Connection, *, account_id: UUID | None, before: int | None, most: int
) -> list[AuditEntry]:
    """Entries from the newest down, of one account or of all, with ids below `before`."""
    rows = await connection.fetch(NEWEST, account_id, before, most)
    return [AuditEntry(*row) for row in rows]


async def forget_addresses(
    tx: Transaction, account_id: UUID, *, sparing: int = 0, most: int | None = None
) -> int:
    """Drop where an account's own requests came from: it is personal, and the account is gone.

    In all entries but the newest `sparing`, up to `most` of them; returns how many.
    """
    done = await tx.execute(
        """
        UPDATE audit SET address = NULL WHERE id IN (
            SELECT id FROM audit WHERE account_id = $1 AND actor = 'self' AND address IS NOT NULL
            ORDER BY id DESC OFFSET $2 LIMIT $3
        )
        """,
        account_id,
        sparing,
        most,
    )
    return rows_in(done)


async def sweep(connection: Connection, most: int, kept: timedelta) -> int:
    """Delete up to `most` entries older than `kept`, and return how many."""
    done = await connection.execute(
        """
        DELETE FROM audit WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM audit WHERE at < now() - $2::interval ORDER BY at LIMIT $1
        ))
        """,
        most,
        kept,
    )
    return rows_in(done)
