"""A database with its people, and how they ask the service that runs on it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from typing import NamedTuple
from uuid import UUID

from tests.bench.scale.filling import Crowd
from tests.corner import MASTER_KEY, Corner
from tests.service_process import ServiceProcess
from tests.user_service.services import registered
from user_service.identity.access_tokens import AccessTokens
from user_service.identity.keyring import Keyring
from user_service.identity.master_key import MasterKey
from user_service.identity.refresh_tokens import RefreshToken, RefreshTokens

# Checking it costs so little that a look-up which became slow is seen.
JWT_SECRET = "8b1c5e0f7a2d4c6e9f3b1a5d7c9e0f2b4d6a8c1e3f5b7d9a"
TOKEN_SECONDS = 3600
# About so many accounts must be asked for one that somebody is logged in to.
ASKED_FOR_ONE = 8
LOGGED_IN = """
    SELECT accounts.id, session.id, accounts.email, clerk_users.id
    FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, number)
    JOIN accounts ON accounts.id = asked.id
    CROSS JOIN LATERAL (
        SELECT id FROM sessions
        WHERE account_id = accounts.id AND ended_at IS NULL AND expires_at > now()
          AND secret_digest = sha256(uuid_send(id) || uuid_send(id)) LIMIT 1
    ) AS session
    LEFT JOIN clerk_users ON clerk_users.account_id = accounts.id
    WHERE accounts.status = 'active' AND accounts.role = 'user'
      AND (NOT $2 OR clerk_users.id IS NOT NULL)
    ORDER BY asked.number LIMIT $3
"""


class Inhabitant(NamedTuple):
    account_id: UUID
    session_id: UUID
    email: str
    clerk_id: str | None


@dataclass(frozen=True)
class Town:
    corner: Corner
    crowd: Crowd

    def people(self, many: int, *, of_clerk: bool = False) -> Iterator[Inhabitant]:
        """With live sessions, from anywhere in the tables; over and over if there are less.

        Only sessions that were filled in: nobody knows the secrets of those that a login opened.

        Administrators are not among them: who asks for everybody must not be logged out.
        """
        asked = max(many, 100) * ASKED_FOR_ONE * (10 if of_clerk else 1)
        everybody = range(1, self.crowd.accounts + 1)
        numbers = random.sample(everybody, min(asked, len(everybody)))
        ids = [UUID(md5(f"account{number}".encode()).hexdigest()) for number in numbers]
        rows = self.corner.rows(LOGGED_IN, ids, of_clerk, many)
        return itertools.cycle([Inhabitant(*row) for row in rows])


class Caller:
    """Speaks for everybody in a town, by the keys of its service."""

    def __init__(self, town: Town, service: ServiceProcess) -> None:
        self.town = town
        self.service = service
        self.basic = {"authorization": registered(town.corner, service).basic}
        keyring = Keyring.symmetric(JWT_SECRET)
        issuer = f"http://localhost:{service.port}"
        self._access = AccessTokens(keyring, issuer, "gatepost", TOKEN_SECONDS)
        self._refresh = RefreshTokens(MasterKey(MASTER_KEY).derive("refresh"))
        # A generation ahead of ours is taken: each token is newer than all before.
        self._generations = itertools.count(1000)
        (admin,) = itertools.islice(town.people(1), 1)
        town.corner.rows("UPDATE accounts SET role = 'admin' WHERE id = $1", admin.account_id)
        self.admin = self.bearer(admin)

    def token(self, person: Inhabitant) -> str:
        return self._access.issue(person.account_id, person.session_id)

    def bearer(self, person: Inhabitant) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token(person)}"}

    def refresh_token(self, person: Inhabitant) -> str:
        secret = person.session_id.bytes * 2
        return self._refresh.write(RefreshToken(person.session_id, next(self._generations), secret))
