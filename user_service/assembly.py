"""Builds every flow of the HTTP application on what the settings name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from urllib.parse import urlsplit

import structlog
from prometheus_client import CollectorRegistry

from shared.codes import Purpose
from shared.kafka import Producer
from shared.topics import CLERK_WEBHOOK, SEND_OTP
from user_service.accounts.reauthentication import Reauthentication
from user_service.accounts.traces import Traces
from user_service.admin.flow import Administration
from user_service.clerk.deliveries import Deliveries
from user_service.clerk.flow import ClerkWebhook
from user_service.clerk.users import ClerkUsers
from user_service.health.checkup import Checkup
from user_service.identity.access_tokens import AccessTokens
from user_service.identity.breached_passwords import BreachedPasswords
from user_service.identity.challenge_mail import ChallengeMail
from user_service.identity.challenge_store import Challenges
from user_service.identity.clerk_keys import PublishedKeys
from user_service.identity.clerk_tokens import ClerkTokens
from user_service.identity.clients import Clients
from user_service.identity.hash_pool import HashPool
from user_service.identity.keyring import Keyring
from user_service.identity.master_key import MasterKey
from user_service.identity.new_passwords import NewPasswords
from user_service.identity.password_attempts import (
    LocalAttempts,
    SharedAttempts,
    ThrottledAttempts,
)
from user_service.identity.password_policy import PasswordPolicy
from user_service.identity.passwords import Passwords
from user_service.identity.refresh_tokens import RefreshTokens
from user_service.identity.session_store import SessionRules
from user_service.identity.upkeep import keep_costs, keep_keys, meet_keys
from user_service.login.flow import Login
from user_service.oauth.introspection import Introspection
from user_service.profile.address_change import AddressChange
from user_service.profile.flow import Profile
from user_service.profile.password_change import PasswordChange
from user_service.recovery.flow import Recovery
from user_service.registration.flow import Registration
from user_service.sessions.flow import Sessions
from user_service.settings import Settings
from user_service.settings.clerk import ClerkSettings
from user_service.storage.breaker import Breaker
from user_service.storage.postgres import Database
from user_service.storage.rate_limits import RateLimits
from user_service.storage.redis import RedisStore

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Connections:
    """What is opened before the first request and closed after the last one."""

    db: Database
    redis: RedisStore
    producer: Producer
    kafka: Breaker
    pool: HashPool
    breached: BreachedPasswords | None
    clerk_keys: PublishedKeys | None

    async def open(self) -> None:
        await self.db.open()
        self.producer.start()
        if self.breached is not None:
            self.breached.open()
        if self.clerk_keys is not None:
            self.clerk_keys.open()

    async def close(self) -> None:
        if left := await self.producer.close():
            log.warning("left_in_producer", messages=left)
        self.pool.close()
        if self.breached is not None:
            await self.breached.close()
        if self.clerk_keys is not None:
            await self.clerk_keys.close()
        await asyncio.gather(self.kafka.close(), self.redis.close(), self.db.close())


@dataclass(frozen=True, slots=True)
class Assembly:
    """The flows, and what the layers above them need besides."""

    connections: Connections
    master_key: MasterKey
    keyring: Keyring
    passwords: Passwords
    registration: Registration
    login: Login
    sessions: Sessions
    recovery: Recovery
    profile: Profile
    password_change: PasswordChange
    address_change: AddressChange
    administration: Administration
    introspection: Introspection
    clerk_webhook: ClerkWebhook
    clerk_users: ClerkUsers
    tokens: AccessTokens
    clerk_tokens: ClerkTokens | None
    checkup: Checkup
    registry: CollectorRegistry

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connect, keep keys and costs fresh, and at the end flush and close."""
        connections = self.connections
        await connections.open()
        upkeep = [
            asyncio.create_task(keep_costs(connections.db, self.passwords)),
            asyncio.create_task(self.checkup.tell()),
        ]
        if self.keyring.algorithm != "HS256":
            await meet_keys(connections.db, self.keyring, self.master_key)
            keys = keep_keys(connections.db, self.keyring, self.master_key)
            upkeep.append(asyncio.create_task(keys))
        if connections.clerk_keys is not None:
            upkeep.append(asyncio.create_task(connections.clerk_keys.keep()))
        try:
            yield
        finally:
            for task in upkeep:
                task.cancel()
            await asyncio.gather(*upkeep, return_exceptions=True)
            await connections.close()


def assemble(settings: Settings) -> Assembly:
    """Everything that handles requests; nothing is connected yet."""
    registry = CollectorRegistry()
    producer = Producer(settings.kafka)
    breach_url, clerk = settings.breach_check_url, settings.clerk
    connections = Connections(
        db=Database(settings.database),
        redis=RedisStore(settings.redis),
        producer=producer,
        kafka=Breaker("kafka", producer.ping),
        pool=HashPool(settings.hash_threads, settings.hash_queue),
        breached=BreachedPasswords(breach_url, registry) if breach_url else None,
        clerk_keys=PublishedKeys(clerk.jwks_url) if clerk.jwks_url else None,
    )
    db, redis = connections.db, connections.redis
    master_key = MasterKey(settings.master_key)
    secret = settings.jwt_secret
    keyring = Keyring.symmetric(secret) if secret else Keyring("ES256")
    tokens = AccessTokens(
        keyring,
        issuer=settings.public_base_url,
        audience=settings.audience,
        lifetime=settings.access_token_minutes * 60,
    )
    passwords = Passwords(connections.pool, settings.argon_cost, master_key.derive("dummy hash"))
    host = urlsplit(settings.public_base_url).hostname or ""
    policy = PasswordPolicy(settings.least_password, (settings.product_name, host))
    new_passwords = NewPasswords(policy, connections.breached)
    refresh_tokens = RefreshTokens(master_key.derive("refresh"))
    rules = SessionRules(
        lifetime=timedelta(days=settings.sessions.days),
        idle=timedelta(days=settings.sessions.idle_days),
        most=settings.sessions.per_account,
    )
    attempts = ThrottledAttempts(
        SharedAttempts(redis, settings.limits.login, master_key.pseudonym),
        LocalAttempts(settings.limits.login),
    )
    limits = RateLimits(redis, settings.limits, master_key.pseudonym)
    challenges = _challenges(settings, redis)
    mail = partial(
        ChallengeMail,
        producer,
        connections.kafka,
        settings.kafka.topic_name(SEND_OTP),
        limits=limits,
    )
    registrations = challenges("register")
    recoveries = challenges("recover")
    address_changes = challenges("change-email")
    reauthentication = Reauthentication(db, attempts, passwords)
    traces = _traces(challenges)
    clients = Clients(db)
    return Assembly(
        connections=connections,
        master_key=master_key,
        keyring=keyring,
        passwords=passwords,
        registration=Registration(
            db=db,
            challenges=registrations,
            mail=mail(challenges=registrations),
            limits=limits,
            passwords=passwords,
            new_passwords=new_passwords,
            unbound_verify=settings.unbound_verify,
        ),
        login=Login(
            db=db,
            attempts=attempts,
            passwords=passwords,
            tokens=tokens,
            refresh_tokens=refresh_tokens,
            sessions=rules,
            tell_of_new_devices=settings.new_sign_in_mails,
        ),
        sessions=Sessions(db, tokens, refresh_tokens, rules),
        recovery=Recovery(
            db=db,
            challenges=recoveries,
            mail=mail(challenges=recoveries),
            limits=limits,
            passwords=passwords,
            new_passwords=new_passwords,
            attempts=attempts,
        ),
        profile=Profile(db, limits, reauthentication, traces),
        password_change=PasswordChange(db, reauthentication, new_passwords, passwords),
        address_change=AddressChange(
            db=db,
            reauthentication=reauthentication,
            challenges=address_changes,
            mail=mail(challenges=address_changes),
            limits=limits,
        ),
        administration=Administration(db, traces),
        introspection=Introspection(db, clients, tokens, refresh_tokens),
        clerk_users=ClerkUsers(db, clients),
        clerk_webhook=ClerkWebhook(
            keys=settings.clerk.webhook_keys,
            deliveries=Deliveries(redis),
            producer=producer,
            breaker=connections.kafka,
            topic=settings.kafka.topic_name(CLERK_WEBHOOK),
        ),
        tokens=tokens,
        clerk_tokens=_clerk_tokens(clerk, connections.clerk_keys),
        checkup=Checkup(db, redis, connections.kafka, keyring),
        registry=registry,
    )


def _clerk_tokens(clerk: ClerkSettings, published: PublishedKeys | None) -> ClerkTokens | None:
    keys = published or clerk.public_key
    return ClerkTokens(keys, clerk.issuer, frozenset(clerk.parties)) if keys else None


def administration(settings: Settings, db: Database, redis: RedisStore) -> Administration:
    """What commands need of all this; Redis may be down."""
    return Administration(db, _traces(_challenges(settings, redis)))


def _challenges(settings: Settings, redis: RedisStore) -> Callable[[Purpose], Challenges]:
    return partial(
        Challenges,
        redis=redis,
        keys=settings.otp_keys,
        pseudonym=MasterKey(settings.master_key).pseudonym,
        times=settings.challenge_times,
    )


def _traces(challenges: Callable[[Purpose], Challenges]) -> Traces:
    return Traces(
        registrations=challenges("register"),
        recoveries=challenges("recover"),
        address_changes=challenges("change-email"),
    )
