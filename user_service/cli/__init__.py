"""`python -m user_service …`: one module for each group of commands."""

from __future__ import annotations

import rich_click as click

from user_service.cli.admin import admin
from user_service.cli.clients import clients
from user_service.cli.events import events
from user_service.cli.keys import keys
from user_service.cli.migration import run_migrate
from user_service.cli.serving import run_worker, serve


@click.group()
def main() -> None:
    """Registration, login and the account's whole life: the user service of Gatepost.

    Settings come from environment variables; .env.example lists all of them.
    """


for command in (serve, run_worker, run_migrate, admin, clients, events, keys):
    main.add_command(command)
