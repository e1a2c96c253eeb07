"""What a new password must be: long enough and hard to guess, and nothing else."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from zxcvbn_rs_py import zxcvbn

MOST_CHARACTERS = 128
MOST_BYTES = 1024
JUDGED_CHARACTERS = 20
# Below this a password falls to 10^6 guesses: the common ones, repeats, keyboard rows, own words.
LEAST_SCORE = 2
# What may stand for a letter: zxcvbn tries every way to read these, twice as many with each more.
READ_AS_LETTERS = frozenset("4@8({[<3691!|70$5+%2")
MOST_READ_AS_LETTERS = 10


def normalized(password: str) -> str:
    """NFC, so that one password typed on two keyboards is one password; nothing is trimmed."""
    return unicodedata.normalize("NFC", password)


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """`least_characters` counts code points; `context` holds words of this installation."""

    least_characters: int
    context: tuple[str, ...]

    def objection(self, password: str, own_words: tuple[str, ...]) -> str | None:
        """Why a person of these words may not use the normalized password, or None."""
        least = self.least_characters
        if not least <= len(password) <= MOST_CHARACTERS or len(password.encode()) > MOST_BYTES:
            return f"A password has {least} to {MOST_CHARACTERS} characters."
        # What is hard to guess in its beginning is hard to guess. The rest is not looked at:
        # crafted passwords kept zxcvbn, which lets no other thread run, busy for seconds.
        words = [word[:JUDGED_CHARACTERS] for word in (*self.context, *own_words) if word]
        verdict = zxcvbn(_beginning(password), words)
        if int(verdict.score) >= LEAST_SCORE:
            return None
        warning = verdict.feedback.warning if verdict.feedback else None
        reason = warning or "It is too close to a common word, your name or your address."
        return f"This password is too easy to guess. {reason} Several words are better."


def _beginning(password: str) -> str:
    """What is judged of it: some characters, of which not too many can stand for a letter."""
    read = set[str]()
    for end, character in enumerate(password[:JUDGED_CHARACTERS]):
        read |= {character} & READ_AS_LETTERS
        if len(read) > MOST_READ_AS_LETTERS:
            return password[:end]
    return password[:JUDGED_CHARACTERS]
