"""python -m dev_stack: the stack of `make run`, its demo, and SendGrid's stand-in."""

from __future__ import annotations

import pkgutil
from typing import cast

import rich_click as click

COMMANDS = {
    "run": "dev_stack.run:run",
    "demo": "dev_stack.demo.command:demo",
    "clean": "dev_stack.run:clean",
    "mail-stand-in": "dev_stack.mail_stand_in.command:mail_stand_in",
}


class LazyGroup(click.RichGroup):
    """Imports a command when it is asked for: the image has no Postgres for the others."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        return (
            cast(click.Command, pkgutil.resolve_name(COMMANDS[name])) if name in COMMANDS else None
        )


@click.group(cls=LazyGroup)
def main() -> None:
    """Run Gatepost with everything it needs on this machine."""


if __name__ == "__main__":
    main(prog_name="python -m dev_stack")
