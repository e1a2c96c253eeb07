"""What the administrators' commands share: who acts, upon whom, and how it is shown."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

import rich_click as click
from msgspec import to_builtins

from user_service.admin.administrator import Administrator
from user_service.admin.answers import AdminUser
from user_service.admin.flow import Administration
from user_service.assembly import administration
from user_service.audit.audit_store import AuditEntry
from user_service.cli.command import (
    database,
    operator,
    operator_settings,
    run,
    show,
    show_json,
)
from user_service.identity.directory_store import Member
from user_service.identity.identifiers import Identifier
from user_service.settings import Settings
from user_service.storage.redis import RedisStore

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

T = TypeVar("T")
Work = Callable[[Administration, Administrator], Awaitable[T]]
Row = Mapping[str, Any]

WHO = "EMAIL|USERNAME|ID"
limit_option = click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True)
after_option = click.option("--after", metavar="NEXT", help="Go on where the page before ended.")


def administer(work: Work[T]) -> T:
    """What the work returns, done as the operator; needs Postgres only."""
    return run(_administer(operator_settings("admin"), work))


async def _administer(settings: Settings, work: Work[T]) -> T:
    redis = RedisStore(settings.redis)
    try:
        async with database(settings) as db:
            flow = administration(settings, db, redis)
            return await work(flow, Administrator.operator(operator()))
    finally:
        await redis.close()


async def id_of(flow: Administration, by: Administrator, who: str) -> UUID:
    """The id that was typed, or that of the account which has the address or username."""
    # Only as ids are shown: without its dashes one could be somebody else's username.
    if ID.fullmatch(who):
        return UUID(who)
    found = await flow.find(by, Identifier.typed(who))
    if found is None:
        raise click.ClickException(f"Nobody has the address or username {who}.")
    return found


def change(
    who: str,
    verb: Callable[[Administration, Administrator, UUID], Awaitable[Member]],
    *,
    as_json: bool,
) -> None:
    """Do it, and show what became of the account."""

    async def work(flow: Administration, by: Administrator) -> AdminUser:
        return AdminUser.of(await verb(flow, by, await id_of(flow, by, who)))

    user = administer(work)
    if as_json:
        show_json(user)
    else:
        show([to_builtins(user)], as_json=False, empty="")


def show_page(rows: list[dict[str, Any]], next: str | None, empty: str) -> None:
    show(rows, as_json=False, empty=empty)
    if next is not None:
        click.echo(f"\nMore with --after {next}")


def entry_row(entry: AuditEntry) -> dict[str, Any]:
    """With the actor in one column, as `admin 4f3c…` or `self`."""
    row: dict[str, Any] = to_builtins(entry)
    row["actor"] = " ".join(filter(None, (row["actor"], row.pop("actor_id"))))
    return row
