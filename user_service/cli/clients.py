"""`clients add | list | remove`: other services that may introspect and revoke tokens."""

from __future__ import annotations

import msgspec
import rich_click as click

from user_service.cli.command import (
    database,
    json_option,
    operator_settings,
    record,
    run,
    show,
    show_json,
)
from user_service.identity import client_store
from user_service.identity.client_store import RegisteredClient
from user_service.identity.clients import NAME, digest_of, new_secret


@click.group()
def clients() -> None:
    """Other services that may introspect and revoke tokens."""


@clients.command("add")
@click.argument("name")
@json_option
def add_client(name: str, as_json: bool) -> None:
    """Make credentials for a service. The secret is shown now and never again."""
    if not NAME.fullmatch(name):
        raise click.BadParameter("NAME has 3 to 64 of a-z 0-9 . _ - (none of . _ - at its ends).")
    secret = new_secret()
    if not run(_add(name, secret)):
        raise click.ClickException(f"There is a client {name} already. Remove it first.")
    made = {"client_id": name, "client_secret": secret}
    if as_json:
        show_json(made)
    else:
        # No table: it would break the secret where the terminal ends.
        click.echo("\n".join(f"{field}: {value}" for field, value in made.items()))


@clients.command("list")
@json_option
def list_clients(as_json: bool) -> None:
    """All of them, by name."""
    rows = [msgspec.structs.asdict(client) for client in run(_every())]
    show(rows, as_json=as_json, empty="There are no clients.")


@clients.command("remove")
@click.argument("name")
def remove_client(name: str) -> None:
    """Refuse a service's credentials from now on: everywhere within 5 seconds."""
    if not run(_remove(name)):
        raise click.ClickException(f"There is no client {name}.")
    click.echo(f"removed {name}")


async def _add(name: str, secret: str) -> bool:
    async with database(operator_settings("clients")) as db, db.transaction() as tx:
        added = await client_store.add(tx, name, digest_of(secret))
        if added:
            await record(tx, "client_added", name)
        return added


async def _every() -> list[RegisteredClient]:
    async with database(operator_settings("clients")) as db, db.connection() as connection:
        return await client_store.every(connection)


async def _remove(name: str) -> bool:
    async with database(operator_settings("clients")) as db, db.transaction() as tx:
        removed = await client_store.remove(tx, name)
        if removed:
            await record(tx, "client_removed", name)
        return removed
