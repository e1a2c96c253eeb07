"""Names of people who come from elsewhere: somebody must be called something."""

from __future__ import annotations

import pytest

from user_service.identity.names import acceptable_name


@pytest.mark.parametrize(
    ("candidates", "name"),
    [
        (("Ann Example", "ann"), "Ann Example"),
        (("  Zoe\u0308 ", "zoe"), "Zo\u00eb"),
        (("", "ann", "a.example"), "ann"),
        ((" \t", "a.example"), "a.example"),
        (("<b>Ann</b>", "x\r\nBcc: y", "https://evil.example", "x" * 101, "ann"), "ann"),
        (("\u202enna", "ann\x00", "\ud800"), "User"),
        ((), "User"),
    ],
)
def test_the_first_name_that_may_be_shown_is_taken(candidates: tuple[str, ...], name: str) -> None:
    assert acceptable_name(*candidates) == name
