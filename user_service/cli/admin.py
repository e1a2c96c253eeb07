"""`admin …`: administration by whoever runs commands on the machine."""

from __future__ import annotations

import rich_click as click

from user_service.admin import questions
from user_service.admin.administrator import Administrator
from user_service.admin.answers import AuditPage
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
from user_service.cli.command import json_option, show_json
from user_service.cli.users import users


@click.group()
def admin() -> None:
    """Look after accounts: search, disable, force resets, delete, make administrators."""


admin.add_command(users)


@admin.command()
@click.argument("who", metavar=WHO)
@json_option
def grant(who: str, as_json: bool) -> None:
    """Make somebody an administrator. Nothing but this command does."""
    change(who, Administration.grant, as_json=as_json)


@admin.command()
@click.argument("who", metavar=WHO)
@json_option
def revoke(who: str, as_json: bool) -> None:
    """Make an administrator an ordinary user again, from their next request on."""
    change(who, Administration.revoke, as_json=as_json)


@admin.command()
@click.option("--account", "who", metavar=WHO, help="A deleted one by its id.")
@after_option
@limit_option
@json_option
def audit(who: str | None, after: str | None, limit: int, as_json: bool) -> None:
    """Who did what to which account, newest first."""

    async def work(flow: Administration, by: Administrator) -> AuditPage:
        before = questions.entry_of(after) if after is not None else None
        account_id = await id_of(flow, by, who) if who is not None else None
        return AuditPage.of(await flow.audit(by, account_id, before, limit), limit)

    page = administer(work)
    if as_json:
        show_json(page)
    else:
        show_page([entry_row(entry) for entry in page.entries], page.next, "No entries.")
