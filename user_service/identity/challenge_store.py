"""Challenges in Redis: a one-time code was mailed, and something waits for it.

open → verified → committed. A challenge lives in a hash under its purpose and id; each verb is one
Lua script, so that no two requests ever see the same guess uncounted.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from shared.codes import OtpKeys, Purpose
from user_service.errors import (
    CodeExpired,
    GuessesSpent,
    Refusal,
    RegistrationIdRequired,
    Unavailable,
    WrongCode,
)
from user_service.settings.limits import ChallengeTimes
from user_service.storage.redis import RedisStore, Script

SCRIPTS = Path(__file__).with_name("challenges")
OPEN = Script(SCRIPTS / "open.lua")
RENEW = Script(SCRIPTS / "renew.lua")
CHECK = Script(SCRIPTS / "check.lua")
REFUSED = Script(SCRIPTS / "refused.lua")
FORGET_PROVEN = Script(SCRIPTS / "forget_proven.lua")
SETTLE = Script(SCRIPTS / "settle.lua")

GUESSES = 5
BARE_GUESSES = 2
UNKNOWN_KEY = b"unknown_key"
# After the right code the same request succeeds again for this long: its answer may have been lost.
RETRY_WINDOW_MS = 600_000


class Issued(Struct, frozen=True):
    """A code that is to be mailed. Times are milliseconds since 1970 by Redis' clock."""

    challenge_id: str
    sequence: int
    kid: str
    issued_at: int
    expires_at: int

    @property
    def lifetime(self) -> int:
        """Seconds, from the mail to the code's end."""
        return (self.expires_at - self.issued_at) // 1000


class Outcome(StrEnum):
    AMBIGUOUS = "ambiguous"
    EXPIRED = "expired"
    SPENT = "spent"
    WRONG = "wrong"
    VERIFIED = "verified"
    COMMITTED = "committed"


REFUSALS: dict[Outcome, type[Refusal]] = {
    Outcome.AMBIGUOUS: RegistrationIdRequired,
    Outcome.EXPIRED: CodeExpired,
    Outcome.SPENT: GuessesSpent,
    Outcome.WRONG: WrongCode,
}


class Checked(Struct, frozen=True):
    """`content` is the payload once verified, the result once committed, else empty."""

    challenge_id: str
    outcome: Outcome
    content: bytes = b""

    def require_right(self) -> None:
        """Raise the refusal that a guess which was not right is answered with."""
        if refusal := REFUSALS.get(self.outcome):
            raise refusal


class Snapshot(Struct, frozen=True):
    """`sequence` and `kid` are those of the newest code."""

    address: str
    sequence: int
    kid: str
    takes_codes: bool


class Guess(Struct, frozen=True):
    """A code for a challenge that the caller can name.

    A linked one comes from the link in the mail, which nobody finds by trying: wrong codes of
    strangers cannot seal it.
    """

    id: str
    address: str
    code: str
    linked: bool = False


@dataclass(frozen=True, slots=True)
class Challenges:
    """All challenges of one purpose."""

    purpose: Purpose
    redis: RedisStore
    keys: OtpKeys
    pseudonym: Callable[[str], str]
    times: ChallengeTimes

    async def open(self, address: str, payload: bytes, *, sealed: bool) -> Issued:
        """A new challenge. A sealed one refuses every guess and can be told by nothing else."""
        id = secrets.token_urlsafe(24)
        kid = self.keys.current
        issued, expires = await self.redis.run(
            OPEN,
            [self._key(id), self._openings(address)],
            *(id, address, kid, self._digest(id, 1, address, sealed=sealed), payload),
            *(self.times.code * 1000, self.times.challenge * 1000),
        )
        return Issued(id, 1, kid, issued, expires)

    async def look(self, id: str) -> Snapshot | None:
        fields = ("address", "sequence", "kid", "state", "guesses")
        found = await self.redis.command("HMGET", self._key(id), *fields)
        if found[0] is None:
            return None
        address, sequence, kid, state, guesses = (field.decode() for field in found)
        return Snapshot(address, int(sequence), kid, state == "open" and int(guesses) < GUESSES)

    async def renew(self, id: str, seen: Snapshot, *, sealed: bool) -> Issued | None:
        """The next code, or None when another request renewed it or used it up meanwhile."""
        sequence = seen.sequence + 1
        kid = self.keys.current
        digest = self._digest(id, sequence, seen.address, sealed=sealed)
        times = await self.redis.run(
            RENEW, [self._key(id)], seen.sequence, kid, digest, self.times.code * 1000, GUESSES
        )
        return Issued(id, sequence, kid, *times) if times else None

    async def guess_of(self, link_token: str) -> Guess:
        """The newest code, for which its link's token stands; raises WrongCode, CodeExpired.

        Only looks: a token that we did not make changes nothing.
        """
        id, _, _ = link_token.partition(".")
        seen = await self.look(id)
        if seen is None or seen.kid not in self.keys.secrets:
            raise CodeExpired
        made_from = (seen.kid, self.purpose, id, seen.sequence, seen.address)
        expected = self.keys.link_token(*made_from)
        if not hmac.compare_digest(expected.encode(), link_token.encode()):
            raise WrongCode
        return Guess(id, seen.address, self.keys.code(*made_from), linked=True)

    async def check(self, guess: Guess) -> Checked:
        """Count and evaluate one guess; raises Unavailable for a code of a key we do not have."""
        return await self._check("linked" if guess.linked else "bound", guess)

    async def check_bare(self, address: str, code: str) -> Checked:
        """Count and evaluate one guess at the only challenge of a day, if there is only one."""
        # If only one was opened it is the newest; the script forgets old ones, and counts.
        newest = await self.redis.command("ZRANGE", self._openings(address), -1, -1)
        id = newest[0].decode() if newest else ""
        return await self._check("bare", Guess(id, address, code))

    async def settle(self, id: str, result: str) -> None:
        await self.redis.run(SETTLE, [self._key(id)], result, RETRY_WINDOW_MS)

    async def refused(self, address: str) -> None:
        """Remember that somebody wanted a challenge for the address and got none."""
        await self.redis.run(REFUSED, [self._openings(address)])

    async def discard(self, id: str) -> None:
        """Forget a challenge, which takes no more codes; that it was opened still counts."""
        await self.redis.command("DEL", self._key(id))

    async def forget_proven(self, address: str) -> None:
        """Forget the address's challenges whose code was given; open ones stay."""
        opened = await self.redis.command("ZRANGE", self._openings(address), 0, -1)
        if opened:
            await self.redis.run(FORGET_PROVEN, [self._key(id.decode()) for id in opened])

    async def _check(self, how: str, guess: Guess) -> Checked:
        digests: list[str | bytes] = []
        for kid in self.keys.secrets:
            digest = self.keys.digest(kid, self.purpose, guess.id, guess.address, guess.code)
            digests += (kid, digest)
        outcome, *content = await self.redis.run(
            CHECK,
            [self._key(guess.id), self._openings(guess.address)],
            *(how, GUESSES, BARE_GUESSES, RETRY_WINDOW_MS, *digests),
        )
        if outcome == UNKNOWN_KEY:
            raise Unavailable("otp_keys")
        return Checked(guess.id, Outcome(outcome.decode()), *content)

    def _digest(self, id: str, sequence: int, address: str, *, sealed: bool) -> bytes:
        kid = self.keys.current
        code = self.keys.code(kid, self.purpose, id, sequence, address)
        digest = self.keys.digest(kid, self.purpose, id, address, code)
        # Both are computed, so that a sealed challenge takes as long to open as another.
        nothing = secrets.token_bytes(len(digest))
        return nothing if sealed else digest

    def _key(self, id: str) -> str:
        return f"challenge:{self.purpose}:{id}"

    def _openings(self, address: str) -> str:
        return f"openings:{self.purpose}:{self.pseudonym(address)}"
