"""`keys …`: the keys that sign access tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import rich_click as click

from user_service.cli.command import database, json_option, operator_settings, record, run, show
from user_service.identity import key_rotation, signing_key_store
from user_service.identity.key_rotation import NoSuchKey
from user_service.identity.master_key import MasterKey
from user_service.identity.signing_key_store import StoredKey
from user_service.settings import Settings
from user_service.storage.postgres import Transaction

# What a command does to the keys, and the sentence about it.
Change = Callable[[Transaction, MasterKey], Awaitable[str]]


@click.group()
def keys() -> None:
    """See, rotate and revoke the keys that sign access tokens."""


@keys.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """Every key that verifies tokens or will sign them, the newest first."""
    _show(run(_keys(_settings())), as_json=as_json)


@keys.command()
@json_option
def rotate(as_json: bool) -> None:
    """Publish a new key now, which signs in 10 minutes. Nobody notices."""
    _change(_rotate, as_json=as_json)


@keys.command()
@click.argument("kid")
@json_option
def revoke(kid: str, as_json: bool) -> None:
    """Refuse a key that somebody else may hold, and every token it signed, within 10 seconds.

    If it was the key that signs, another one signs at once. Whoever holds a token of the old one
    refreshes it or logs in again. Services that check tokens by the JWKS may go on accepting the
    old key, and refuse the new one, until their cache of it ends: up to 5 minutes.
    """

    async def change(tx: Transaction, master_key: MasterKey) -> str:
        await key_rotation.revoke(tx, master_key, kid)
        await record(tx, "signing_key_revoked", kid)
        return f"{kid} is revoked."

    _change(change, as_json=as_json)


async def _rotate(tx: Transaction, master_key: MasterKey) -> str:
    kid = await key_rotation.begin_rotation(tx, master_key)
    if kid is None:
        return "A rotation is under way already."
    await record(tx, "signing_key_published", kid)
    return f"{kid} is published."


def _settings() -> Settings:
    settings = operator_settings("keys")
    if settings.jwt_secret:
        raise click.ClickException("JWT_SECRET is set: tokens are HS256, and there are no keys.")
    return settings


def _change(change: Change, *, as_json: bool) -> None:
    try:
        sentence, stored = run(_changed(_settings(), change))
    except NoSuchKey as error:
        raise click.ClickException(f"No key is called {error}. See `keys list`.") from error
    if not as_json:
        click.echo(sentence)
    _show(stored, as_json=as_json)


async def _changed(settings: Settings, change: Change) -> tuple[str, list[StoredKey]]:
    async with database(settings) as db, db.transaction() as tx:
        sentence = await change(tx, MasterKey(settings.master_key))
        return sentence, await signing_key_store.newest_first(tx)


async def _keys(settings: Settings) -> list[StoredKey]:
    async with database(settings) as db, db.connection() as connection:
        return await signing_key_store.newest_first(connection)


def _show(stored: list[StoredKey], *, as_json: bool) -> None:
    signing = signing_key_store.signing_of(stored)
    rows = [_row(key, signing) for key in stored]
    show(rows, as_json=as_json, empty="There is no key yet: `migrate` makes the first one.")


def _row(key: StoredKey, signing: StoredKey | None) -> dict[str, Any]:
    state = "signs" if key is signing else "upcoming" if key.upcoming else "retired"
    return {
        "kid": key.kid,
        "state": state,
        "created_at": key.created_at.replace(microsecond=0),
        "signs_from": key.signs_from.replace(microsecond=0),
    }
