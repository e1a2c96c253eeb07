"""python -m dev_stack: the stack of `make run`, its demo, and SendGrid's stand-in."""

from __future__ import annotations

import pkgutil
from typing import cast

import rich_click as click

COMMANDS = {
    "run": ("dev_stack.run:run", "Start the whole stack, show one registration, and stay up."),
    "demo": ("dev_stack.demo.command:demo", "Register many people at once, and count every mail."),
    "clean": ("dev_stack.run:clean", "Delete what `run` has kept: data, logs and secrets."),
    "mail-stand-in": (
        "dev_stack.mail_stand_in.command:mail_stand_in",
        "Stand in for SendGrid, with a mailbox page at /.",
    ),
}


class LazyGroup(click.RichGroup):
    """Imports the one command that is to run: the image has no Postgres for the others."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """What the help lists, without the command's options."""
        return click.RichCommand(name=name, help=COMMANDS[name][1]) if name in COMMANDS else None

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, listed, rest = super().resolve_command(context, arguments)
        if name is None or listed is None:
            return name, listed, rest
        return name, cast(click.Command, pkgutil.resolve_name(COMMANDS[name][0])), rest


@click.group(cls=LazyGroup)
def main() -> None:
    """Run Gatepost with everything it needs on this machine."""


if __name__ == "__main__":
    main(prog_name="python -m dev_stack")
