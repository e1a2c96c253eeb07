"""Showing in a terminal what others have written."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text without what would move the cursor, change colors or turn the writing around."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
