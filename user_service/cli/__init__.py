"""`python -m user_service …`: one module for each group of commands.

Only the one that is asked for is imported: `serve` does little but mind granian's workers, which
import the service themselves.
"""

from __future__ import annotations

from pkgutil import resolve_name

import rich_click as click

COMMANDS = {
    "serve": "user_service.cli.serving:serve",
    "worker": "user_service.cli.working:run_worker",
    "migrate": "user_service.cli.migration:run_migrate",
    "admin": "user_service.cli.admin:admin",
    "clients": "user_service.cli.clients:clients",
    "events": "user_service.cli.events:events",
    "import": "user_service.cli.imports:imports",
    "keys": "user_service.cli.keys:keys",
}


class Commands(click.RichGroup):
    """The commands by name, in the order of COMMANDS."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = resolve_name(COMMANDS[cmd_name])
        return command


@click.group(cls=Commands)
def main() -> None:
    """Registration, login and the account's whole life: the user service of Gatepost.

    Settings come from environment variables; .env.example lists all of them.
    """
