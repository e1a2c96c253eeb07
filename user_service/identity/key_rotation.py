"""How signing keys come and go.

A key is published well before it signs, so that every process and every cache of the JWKS knows it
by then, and verifies until the last token that it signed has expired. A rotation is a single row
that says from when its key signs: nothing can be left half done, and no process has to be alive at
that moment.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from user_service.identity import signing_key_store
from user_service.identity.master_key import MasterKey
from user_service.identity.signing_key_store import StoredKey
from user_service.storage.postgres import Transaction

# Longer than caches may keep the JWKS (300 s) and processes their ring (10 s).
PUBLISHED_EARLY = timedelta(minutes=10)
AT_ONCE = timedelta(0)


class NoSuchKey(Exception):
    """No signing key is called so."""


async def ensure_signing_key(tx: Transaction, master_key: MasterKey) -> str | None:
    """The kid of a new key if there was none; raises WrongMasterKey when ours fits none."""
    if await _locked(tx, master_key):
        return None
    return await _add(tx, master_key, signs_in=AT_ONCE)


async def begin_rotation(tx: Transaction, master_key: MasterKey) -> str | None:
    """Publish the key that signs next, and return its kid; None if one is published already."""
    keys = await _locked(tx, master_key)
    if keys and keys[0].upcoming:
        return None
    return await _add(tx, master_key, signs_in=PUBLISHED_EARLY if keys else AT_ONCE)


async def rotate_when_due(
    tx: Transaction, master_key: MasterKey, lifetime: timedelta
) -> str | None:
    """Publish a successor before the newest key has signed for `lifetime`, and return its kid."""
    keys = await _locked(tx, master_key)
    if not keys:
        return await _add(tx, master_key, signs_in=AT_ONCE)
    if keys[0].age >= lifetime - PUBLISHED_EARLY:
        return await _add(tx, master_key, signs_in=PUBLISHED_EARLY)
    return None


async def revoke(tx: Transaction, master_key: MasterKey, kid: str) -> None:
    """Forget a key at once; if it was the one that signs, another signs from now on.

    Raises NoSuchKey and WrongMasterKey.
    """
    keys = await _locked(tx, master_key)
    # Those are dead because of a newer one, and would come back to life without it.
    await signing_key_store.delete_expired(tx)
    if not await signing_key_store.delete(tx, kid):
        raise NoSuchKey(kid)
    signing = signing_key_store.signing_of(keys)
    if signing is None or signing.kid != kid:
        return
    # Never an older one: it has been retired, and would soon be forgotten.
    if keys[0].upcoming and keys[0] is not signing:
        await signing_key_store.sign_now(tx, keys[0].kid)
    else:
        await _add(tx, master_key, signs_in=AT_ONCE)


async def _locked(tx: Transaction, master_key: MasterKey) -> list[StoredKey]:
    """The keys, newest first, which nobody else changes until the transaction ends.

    Raises WrongMasterKey when we could not use the key that signs: then no other process could use
    a key of ours.
    """
    await signing_key_store.lock(tx)
    keys = await signing_key_store.newest_first(tx)
    if signing := signing_key_store.signing_of(keys):
        master_key.unseal(signing.sealed_private, bound_to=signing.kid)
    return keys


async def _add(tx: Transaction, master_key: MasterKey, *, signs_in: timedelta) -> str:
    """Make an ES256 key pair, store it with its private half sealed, and return its kid."""
    kid = secrets.token_hex(8)
    private = ec.generate_private_key(ec.SECP256R1())
    plain = private.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    sealed = master_key.seal(plain, bound_to=kid)
    await signing_key_store.add(
        tx, kid=kid, public_key=public.decode(), sealed=sealed, signs_in=signs_in
    )
    return kid
