"""`admin users …`: the verbs that /api/admin/users has."""

from __future__ import annotations

from datetime import UTC, datetime

import rich_click as click
from msgspec import to_builtins

from user_service.admin import questions
from user_service.admin.administrator import Administrator
from user_service.admin.answers import InspectedUser, UserPage
from user_service.admin.flow import Administration
from user_service.cli.administering import (
    WHO,
    administer,
    after_option,
    change,
    entry_row,
    id_of,
    limit_option,
    show_page,
)
from user_service.cli.command import json_option, show, show_json
from user_service.identity.account_store import Role, Status
from user_service.identity.directory_store import Wanted

STATUSES = click.Choice(["active", "disabled"])
ROLES = click.Choice(["user", "admin"])


@click.group()
def users() -> None:
    """Accounts, each by its email address, username or id."""


@users.command("list")
@click.option("--search", help="The beginning of an address or username, or a whole id.")
@click.option("--status", type=STATUSES)
@click.option("--role", type=ROLES)
@click.option("--created-after", type=click.DateTime(), help="In UTC, inclusive.")
@click.option("--created-before", type=click.DateTime(), help="In UTC, exclusive.")
@after_option
@limit_option
@json_option
def list_users(
    search: str | None,
    status: Status | None,
    role: Role | None,
    created_after: datetime | None,
    created_before: datetime | None,
    after: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Accounts, newest first."""

    async def work(flow: Administration, by: Administrator) -> UserPage:
        wanted = Wanted(
            beginning=questions.beginning(search) if search else None,
            status=status,
            role=role,
            created_after=created_after and created_after.replace(tzinfo=UTC),
            created_before=created_before and created_before.replace(tzinfo=UTC),
        )
        place = questions.place_of(after) if after is not None else None
        return UserPage.of(await flow.search(by, wanted, place, limit), limit)

    page = administer(work)
    if as_json:
        show_json(page)
    else:
        show_page([to_builtins(user) for user in page.users], page.next, "No such users.")


@users.command("show")
@click.argument("who", metavar=WHO)
@json_option
def show_user(who: str, as_json: bool) -> None:
    """One account, its live sessions and what the audit knows of it."""

    async def work(flow: Administration, by: Administrator) -> InspectedUser:
        return InspectedUser.of(await flow.inspect(by, await id_of(flow, by, who)))

    inspected = administer(work)
    if as_json:
        show_json(inspected)
        return
    show([to_builtins(inspected.user)], as_json=False, empty="")
    click.echo()
    sessions = [to_builtins(session) for session in inspected.sessions]
    show(sessions, as_json=False, empty="No live sessions.")
    click.echo()
    show([entry_row(entry) for entry in inspected.audit], as_json=False, empty="No entries.")


@users.command("disable")
@click.argument("who", metavar=WHO)
@json_option
def disable(who: str, as_json: bool) -> None:
    """Shut an account: all of its tokens are dead at once."""
    change(who, Administration.disable, as_json=as_json)


@users.command("enable")
@click.argument("who", metavar=WHO)
@json_option
def enable(who: str, as_json: bool) -> None:
    """Let the owner of a disabled account log in again."""
    change(who, Administration.enable, as_json=as_json)


@users.command("force-reset")
@click.argument("who", metavar=WHO)
@json_option
def force_reset(who: str, as_json: bool) -> None:
    """Withdraw a password: its owner is told by mail to set another one."""
    change(who, Administration.force_reset, as_json=as_json)


@users.command("end-sessions")
@click.argument("who", metavar=WHO)
@json_option
def end_sessions(who: str, as_json: bool) -> None:
    """Log somebody out everywhere."""

    async def work(flow: Administration, by: Administrator) -> int:
        return await flow.end_sessions(by, await id_of(flow, by, who))

    ended = administer(work)
    if as_json:
        show_json({"ended": ended})
    else:
        click.echo(f"{ended} ended.")


@users.command("delete")
@click.argument("who", metavar=WHO)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(who: str, yes: bool, as_json: bool) -> None:
    """Delete an account and everything that says who its owner was."""
    id = administer(lambda flow, by: id_of(flow, by, who))
    if not yes:
        click.confirm(f"Delete the account {id} for good?", abort=True, err=True)
    administer(lambda flow, by: flow.delete(by, id))
    if as_json:
        show_json({"deleted": id})
    else:
        click.echo(f"{id} is deleted.")
