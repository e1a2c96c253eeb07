"""Display names and usernames, as they may be stored."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress

from user_service.errors import InvalidFields

MOST_IN_NAME = 100
USERNAME = re.compile(r"[a-z0-9._-]{3,32}")
# Control, format (bidi overrides, zero width), line and paragraph separators, unassigned.
FORBIDDEN_CATEGORIES = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
# Joiners that scripts and emoji need inside a word.
ALLOWED_FORMAT = {"\u200c", "\u200d"}
NAMELESS = "User"
LOOKS_LIKE_LINK = re.compile(r"://|\bwww\.", re.IGNORECASE)


def display_name(typed: str) -> str:
    """NFC without surrounding blanks, 1-100 code points; raises InvalidFields."""
    # NFC takes the square of the length, and makes one of four at most.
    name = unicodedata.normalize("NFC", typed.strip()[: 4 * MOST_IN_NAME + 1]).strip()
    if not 1 <= len(name) <= MOST_IN_NAME:
        raise InvalidFields(name="A name has 1 to 100 characters.")
    if any(_forbidden(character) for character in name):
        raise InvalidFields(name="A name holds no control characters and none of < and >.")
    if LOOKS_LIKE_LINK.search(name):
        raise InvalidFields(name="A name holds no web address.")
    return name


def acceptable_name(*candidates: str) -> str:
    """The first of them that may be a display name, for people whom nobody can ask for another."""
    for candidate in candidates:
        with suppress(InvalidFields):
            return display_name(candidate)
    return NAMELESS


def canonical_username(typed: str) -> str:
    """Lower-case `[a-z0-9._-]`, 3-32 characters; raises InvalidFields."""
    username = typed.lower()
    if not (typed.isascii() and USERNAME.fullmatch(username)):
        raise InvalidFields(username="A username has 3 to 32 of the characters a-z 0-9 . _ -")
    return username


def _forbidden(character: str) -> bool:
    if character in "<>":
        return True
    return (
        unicodedata.category(character) in FORBIDDEN_CATEGORIES and character not in ALLOWED_FORMAT
    )
