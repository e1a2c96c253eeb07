"""Every variable of the user service, read once; an unsafe set stops the start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal

from msgspec import Struct

from shared.codes import OtpKeys
from shared.env import Environment
from shared.events import SOURCE
from shared.kafka import KafkaConnection
from shared.log import LOG_LEVELS, LogLevel
from shared.redis import RedisConnection
from user_service.settings.clerk import ClerkSettings
from user_service.settings.database import PostgresConnection
from user_service.settings.limits import ArgonCost, ChallengeTimes, Limits, SessionLimits

Network = IPv4Network | IPv6Network

# No access token lives longer; so long must a key verify after it has signed.
MOST_TOKEN_MINUTES = 1440


class Settings(Struct, frozen=True, kw_only=True):
    development: bool
    log_level: LogLevel
    host: str
    port: int
    workers: int
    public_base_url: str
    trusted_proxies: tuple[Network, ...]
    cors_origins: tuple[str, ...]
    database: PostgresConnection
    redis: RedisConnection
    kafka: KafkaConnection
    master_key: str
    otp_keys: OtpKeys
    jwt_secret: str  # empty: ES256 with the keyring in Postgres
    audience: str
    access_token_minutes: int
    sessions: SessionLimits
    new_sign_in_mails: bool
    signing_key_days: int
    audit_days: int
    lifecycle_sources: tuple[str, ...]
    clerk: ClerkSettings
    breach_check_url: str  # empty: off
    metrics_token: str
    unbound_verify: Literal["single", "never"]
    least_password: int
    argon_cost: ArgonCost
    hash_threads: int
    hash_queue: int
    limits: Limits
    challenge_times: ChallengeTimes
    product_name: str
    worker_probe_host: str
    worker_probe_port: int


def read_settings(variables: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process; raises UnsafeSettings with every problem at once."""
    env = Environment(variables)
    settings = settings_from(env)
    _judge_together(env, settings)
    env.finish()
    return settings


def settings_from(env: Environment) -> Settings:
    """The settings as far as they can be read; what is wrong is remembered by `env`."""
    workers = env.integer("WORKERS", 1, least=1, most=256)
    threads = env.integer("HASH_THREADS", max(1, _cores() // workers), least=1, most=256)
    return Settings(
        development=env.development,
        log_level=env.choice("LOG_LEVEL", LOG_LEVELS, "info"),
        host=env.text("HOST", "127.0.0.1" if env.development else "0.0.0.0"),  # noqa: S104
        port=env.integer("PORT", 3000, least=1, most=65535),
        workers=workers,
        public_base_url=_public_base_url(env),
        trusted_proxies=_networks(env, "TRUSTED_PROXIES"),
        cors_origins=_origins(env),
        database=PostgresConnection.read(env),
        redis=RedisConnection.read(env),
        kafka=KafkaConnection.read(env),
        master_key=env.key("MASTER_KEY"),
        otp_keys=OtpKeys.read(env),
        jwt_secret=_jwt_secret(env),
        audience=env.text("TOKEN_AUDIENCE", "gatepost"),
        access_token_minutes=env.integer(
            "ACCESS_TOKEN_EXPIRE_MINUTES", 15, least=1, most=MOST_TOKEN_MINUTES
        ),
        sessions=SessionLimits.read(env),
        new_sign_in_mails=env.flag("NEW_SIGN_IN_MAILS", default=True),
        signing_key_days=env.integer("SIGNING_KEY_DAYS", 90, least=1, most=3650),
        audit_days=env.integer("AUDIT_DAYS", 180, least=1, most=3650),
        lifecycle_sources=_lifecycle_sources(env),
        clerk=ClerkSettings.read(env),
        breach_check_url=_breach_check_url(env),
        metrics_token=env.key("METRICS_TOKEN", ""),
        unbound_verify=env.choice("UNBOUND_VERIFY", ("single", "never"), "single"),
        least_password=env.integer("PASSWORD_MIN_LENGTH", 8, least=8, most=64),
        argon_cost=ArgonCost.read(env),
        hash_threads=threads,
        hash_queue=env.integer("HASH_QUEUE", 32 * threads, least=1, most=10_000),
        limits=Limits.read(env),
        challenge_times=ChallengeTimes.read(env),
        product_name=env.text("PRODUCT_NAME", "Gatepost"),
        worker_probe_host=env.text("WORKER_PROBE_HOST", "127.0.0.1"),
        worker_probe_port=env.integer("WORKER_PROBE_PORT", 3002, least=1, most=65535),
    )


def _judge_together(env: Environment, settings: Settings) -> None:
    secrets = [settings.master_key, settings.jwt_secret, settings.metrics_token]
    secrets += [secret.decode() for secret in settings.otp_keys.secrets.values()]
    given = [secret for secret in secrets if secret]
    if len(set(given)) < len(given) and not env.development:
        env.problem("MASTER_KEY, OTP_KEYS, JWT_SECRET and METRICS_TOKEN must all be different.")


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _public_base_url(env: Environment) -> str:
    url = env.text("PUBLIC_BASE_URL", "http://localhost:3000" if env.development else None)
    parts = env.parts_of("PUBLIC_BASE_URL", url)
    if url and (parts.scheme not in ("http", "https") or not parts.netloc or parts.query):
        env.problem("PUBLIC_BASE_URL must read https://auth.example.org.")
    elif url and parts.scheme == "http" and not env.development:
        env.problem("PUBLIC_BASE_URL must be https outside development.")
    # Browsers send origins in this form, and tokens' issuer is compared letter by letter.
    usual_port = {"https": ":443", "http": ":80"}.get(parts.scheme, ":")
    host = parts.netloc
    if host != host.lower() or "@" in host or parts.fragment or host.endswith(usual_port):
        env.problem("PUBLIC_BASE_URL is lower-case, without user, usual port or fragment.")
    return url.rstrip("/")


def _jwt_secret(env: Environment) -> str:
    secret = env.key("JWT_SECRET", "")
    algorithm = env.choice("ALGORITHM", ("ES256", "HS256"), "HS256" if secret else "ES256")
    if secret and algorithm != "HS256":
        env.problem("JWT_SECRET makes tokens HS256; drop it, or set ALGORITHM=HS256.")
    if algorithm == "HS256" and not secret:
        env.problem("ALGORITHM is HS256, which needs JWT_SECRET of at least 32 bytes.")
    return secret


def _lifecycle_sources(env: Environment) -> tuple[str, ...]:
    sources = env.items("LIFECYCLE_SOURCES")
    if SOURCE in sources:
        env.problem(f"LIFECYCLE_SOURCES holds {SOURCE}: events of our own are not taken back in.")
    return sources


def _breach_check_url(env: Environment) -> str:
    url = env.text("BREACH_CHECK_URL", "")
    parts = env.parts_of("BREACH_CHECK_URL", url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname):
        env.problem("BREACH_CHECK_URL must read https://api.example.org/range/.")
    elif parts.scheme == "http" and not env.development:
        env.problem("BREACH_CHECK_URL must be https outside development.")
    return url


def _networks(env: Environment, name: str) -> tuple[Network, ...]:
    networks = []
    for item in env.items(name):
        try:
            networks.append(ip_network(item, strict=False))
        except ValueError as error:
            env.problem(f"{name}: {error}.")
    if any(network.prefixlen == 0 for network in networks):
        env.problem(f"{name} would let everybody choose the address that limits are kept by.")
    return tuple(networks)


def _origins(env: Environment) -> tuple[str, ...]:
    origins = env.items("CORS_ORIGINS")
    for origin in origins:
        parts = env.parts_of("CORS_ORIGINS", origin)
        # No patterns: a page that anybody may put under one could read what its visitors do here.
        if f"{parts.scheme}://{parts.netloc}" != origin or "*" in origin:
            env.problem(f"CORS_ORIGINS holds {origin!r}; an origin reads https://app.example.org.")
    return origins
