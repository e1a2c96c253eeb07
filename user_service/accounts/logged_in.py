"""An account's owner opens a session."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct

from shared.events import SendNotice, SessionsRevoked, UserLoggedIn
from user_service.accounts.devices import device_name
from user_service.accounts.notices import few_lately, notice
from user_service.audit import audit_store
from user_service.audit.audit_store import Actor
from user_service.identity import account_store, session_store
from user_service.identity.account_store import Account, Credentials, RenewedHash
from user_service.identity.refresh_tokens import RefreshToken, new_secret
from user_service.identity.session_store import Device, Opened, SessionRules
from user_service.outbox import outbox_store
from user_service.storage.postgres import Transaction


async def open_session(
    tx: Transaction,
    found: Credentials,
    *,
    device: Device,
    rules: SessionRules,
    renewed: RenewedHash | None,
    tell_of_new_devices: bool,
) -> RefreshToken | None:
    """The new session's first refresh token, or None when the account is not what it was.

    A login that began before the password or the address was changed must not outlive the change:
    it was let in by a password that is dead by now.
    """
    account = found.account
    version = await account_store.advance_active(tx, account.id, epoch=found.epoch, renewed=renewed)
    if version is None:
        return None
    token = RefreshToken(UUID(int=0), 0, new_secret())
    opened = await session_store.add(
        tx, account.id, digest=token.digest, device=device, rules=rules
    )
    told: list[Struct] = [
        UserLoggedIn(
            user_id=str(account.id),
            session_id=str(opened.id),
            account_version=version,
            logged_in_at=datetime.now(UTC),
        )
    ]
    if tell_of_new_devices and opened.strange and await few_lately(tx, account.id, SendNotice):
        told.append(_new_sign_in(account, device))
    if opened.evicted:
        told.append(await _evicted(tx, account.id, opened))
    await outbox_store.put(tx, account.id, *told)
    await audit_store.write(tx, account.id, "logged_in", Actor.oneself(device.address))
    return RefreshToken(opened.id, token.generation, token.secret)


def _new_sign_in(account: Account, device: Device) -> Struct:
    facts = {"where": device.address, "device": device_name(device.user_agent)}
    return notice("new-sign-in", account.id, account.email, **facts)


async def _evicted(tx: Transaction, account_id: UUID, opened: Opened) -> SessionsRevoked:
    return SessionsRevoked(
        user_id=str(account_id),
        session_ids=[str(id) for id in opened.evicted],
        account_version=await account_store.advance(tx, account_id),
        revoked_at=datetime.now(UTC),
    )
