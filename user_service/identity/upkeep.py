"""What a process does again and again: read and rotate signing keys, learn what hashes cost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial

import structlog

from user_service.identity import key_rotation, password_store, signing_key_store
from user_service.identity.keyring import Keyring
from user_service.identity.master_key import MasterKey
from user_service.identity.passwords import Passwords
from user_service.storage.postgres import Database

KEYS_SECONDS = 10
COSTS_SECONDS = 600
ROTATION_SECONDS = 60
RETRY_SECONDS = 1
# A service that starts beside others must not refuse what they would have answered.
FIRST_READ_SECONDS = 1.0

log = structlog.get_logger()


async def meet_keys(db: Database, keyring: Keyring, master_key: MasterKey) -> None:
    """Read the keyring once, before anybody is served; `keep_keys` tells what goes wrong."""
    with suppress(Exception):
        async with asyncio.timeout(FIRST_READ_SECONDS):
            await _read_keys(db, keyring, master_key)


async def keep_keys(db: Database, keyring: Keyring, master_key: MasterKey) -> None:
    """Follow the keyring in Postgres for ever, a second behind whoever meets an unknown key."""
    read = partial(_read_keys, db, keyring, master_key)
    await _repeat("signing keys", read, every=KEYS_SECONDS, sooner=keyring.missed)


async def _read_keys(db: Database, keyring: Keyring, master_key: MasterKey) -> None:
    keyring.missed.clear()
    async with db.connection() as connection:
        keyring.take(await signing_key_store.newest_first(connection), master_key)


async def keep_rotating(db: Database, master_key: MasterKey, lifetime: timedelta) -> None:
    """Let no key sign for longer than `lifetime`, for ever."""

    async def rotate() -> None:
        async with db.transaction() as tx:
            made = await key_rotation.rotate_when_due(tx, master_key, lifetime)
            expired = await signing_key_store.delete_expired(tx)
        if made or expired:
            log.info("signing_keys_rotated", made=made, expired=expired)

    await _repeat("key rotation", rotate, every=ROTATION_SECONDS)


async def keep_costs(db: Database, passwords: Passwords) -> None:
    """Let dummy hashes follow what accounts' hashes cost, for ever."""

    async def read() -> None:
        async with db.connection() as connection:
            in_use = await password_store.schemes_in_use(connection)
        passwords.imitate(in_use)

    await _repeat("hash costs", read, every=COSTS_SECONDS)


async def _repeat(
    what: str,
    work: Callable[[], Awaitable[None]],
    *,
    every: float,
    sooner: asyncio.Event | None = None,
) -> None:
    """Work every so many seconds, or a second after `sooner` was set."""
    trouble = ""
    sooner = sooner or asyncio.Event()
    while True:
        try:
            await work()
            trouble, pause = "", every
        except Exception as error:  # whatever it is, it may be over the next time
            if repr(error) != trouble:  # once: an outage must not fill the log
                trouble = repr(error)
                log.warning("upkeep_failed", what=what, reason=trouble)
            pause = RETRY_SECONDS
        await asyncio.sleep(RETRY_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause - RETRY_SECONDS):
                await sooner.wait()
