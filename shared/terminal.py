"""Showing in a terminal what others have written."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

WIDEST = 10_000


def printable(text: str) -> str:
    """The text without what would move the cursor, change colors or turn the writing around."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def print_table(table: Table) -> None:
    """As wide as it must be: a folded line can be neither copied nor searched."""
    console = Console()
    unbounded = console.options.update(max_width=WIDEST)
    console.width = max(console.width, console.measure(table, options=unbounded).maximum)
    console.print(table)
