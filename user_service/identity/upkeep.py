"""What a process reads again while it runs: signing keys, and what hashes cost by now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from user_service.identity import account_store, signing_key_store
from user_service.identity.keyring import Keyring
from user_service.identity.master_key import MasterKey
from user_service.identity.passwords import Passwords
from user_service.storage.postgres import Database

KEYS_SECONDS = 30
COSTS_SECONDS = 600
RETRY_SECONDS = 1

log = structlog.get_logger()


async def keep_keys(db: Database, keyring: Keyring, master_key: MasterKey) -> None:
    """Follow the keyring in Postgres for ever."""

    async def read() -> None:
        async with db.connection() as connection:
            keyring.take(await signing_key_store.all_newest_first(connection), master_key)

    await _repeat("signing keys", read, every=KEYS_SECONDS)


async def keep_costs(db: Database, passwords: Passwords) -> None:
    """Let dummy hashes follow what accounts' hashes cost, for ever."""

    async def read() -> None:
        async with db.connection() as connection:
            in_use = await account_store.hash_costs_in_use(connection)
        await passwords.imitate(in_use)

    await _repeat("hash costs", read, every=COSTS_SECONDS)


async def _repeat(what: str, read: Callable[[], Awaitable[None]], *, every: float) -> None:
    while True:
        try:
            await read()
            await asyncio.sleep(every)
        except Exception as error:  # whatever it is, it may be over the next time
            log.warning("not_read", what=what, reason=repr(error))
            await asyncio.sleep(RETRY_SECONDS)
