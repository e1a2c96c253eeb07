"""Which accounts stand for users of Clerk, in the table that clerk_store owns."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from user_service.identity.account_store import COLUMNS, Account, Status, account_of
from user_service.identity.clerk_store import NEVER
from user_service.storage.postgres import Connection, Transaction


class Link(Struct, frozen=True):
    """`made_account` is whether the account was made for the Clerk user, whose address is that."""

    clerk_id: str
    account_id: UUID
    address: str
    made_account: bool


class LinkedAccount(Struct, frozen=True):
    account: Account
    status: Status


async def unlink_former_owner(tx: Transaction, account_id: UUID, address: str) -> bool:
    """Whether the account stood for a user whose newest word does not name this address, and
    stands for none now; under the account's lock."""
    id = await tx.fetchval(
        """
        UPDATE clerk_users SET
            account_id = NULL,
            made_account = false,
            -- Another account may stand for it at the address that it has now.
            contested = coalesce((email_updated_at, email_sent_at) = (updated_at, sent_at), false)
        WHERE account_id = $1 AND NOT coalesce(
            email = $2 AND (email_updated_at, email_sent_at) = (updated_at, sent_at), false)
        RETURNING id
        """,
        account_id,
        address,
    )
    return id is not None


async def user_of(connection: Connection, account_id: UUID) -> str | None:
    """The id of the Clerk user that the account stands for."""
    id: str | None = await connection.fetchval(
        "SELECT id FROM clerk_users WHERE account_id = $1", account_id
    )
    return id


async def linked_account(connection: Connection, id: str) -> LinkedAccount | None:
    """The account that stands for a Clerk user, whether or not it is active."""
    row = await connection.fetchrow(
        f"""
        SELECT {COLUMNS}, accounts.status
        FROM clerk_users JOIN accounts ON accounts.id = clerk_users.account_id
        WHERE clerk_users.id = $1
        """,
        id,
    )
    return LinkedAccount(account_of(row), row["status"]) if row else None


async def link_each(tx: Transaction, links: Sequence[Link]) -> None:
    """Nothing may be known of these Clerk users yet, whose locks the caller holds.

    Any webhook knows more of them.
    """
    await tx.execute(
        """
        INSERT INTO clerk_users (
            id, account_id, email, made_account,
            updated_at, sent_at, email_updated_at, email_sent_at
        )
        SELECT id, account_id, email, made_account, $5, $6, $5, $6
        FROM unnest($1::text[], $2::uuid[], $3::text[], $4::boolean[])
            AS link (id, account_id, email, made_account)
        """,
        [link.clerk_id for link in links],
        [link.account_id for link in links],
        [link.address for link in links],
        [link.made_account for link in links],
        NEVER.updated_at,
        NEVER.sent_at,
    )
