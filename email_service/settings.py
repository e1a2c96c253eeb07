"""Every setting of the email service, read once; it refuses to start when one is unsafe."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import Literal, get_args
from urllib.parse import unquote

from email_validator import EmailNotValidError, validate_email
from msgspec import Struct

from shared.codes import OtpKeys
from shared.env import Environment
from shared.kafka import KafkaConnection
from shared.log import LOG_LEVELS, LogLevel
from shared.redis import RedisConnection

SenderName = Literal["sendgrid", "smtp", "console"]
Security = Literal["starttls", "tls", "none"]

SENDERS: tuple[SenderName, ...] = get_args(SenderName)
SMTP_SCHEMES: dict[str, tuple[Security, int]] = {
    "smtp": ("starttls", 587),
    "smtps": ("tls", 465),
    "smtp+plain": ("none", 25),
}
# What breaks out of a header's line.
CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029"


class Brand(Struct, frozen=True):
    """How the mails look, whom they speak for, and where they lead.

    `color` is `#rrggbb`; of the rest all but the name may be empty. Without a `password_reset_url`
    reset mails hold the code only.
    """

    name: str
    color: str
    url: str
    support_email: str
    password_reset_url: str

    @property
    def text_on_color(self) -> str:
        """White or near-black, whichever can be read on the brand's color."""
        red, green, blue = bytes.fromhex(self.color.removeprefix("#"))
        return "#14171f" if 0.299 * red + 0.587 * green + 0.114 * blue > 160 else "#ffffff"

    @classmethod
    def read(cls, env: Environment) -> Brand:
        brand = cls(
            name=env.text("PRODUCT_NAME", "Gatepost"),
            color=env.text("PRODUCT_COLOR", "#2f5d50"),
            url=env.text("PRODUCT_URL", ""),
            support_email=_address(env, "SUPPORT_EMAIL", ""),
            password_reset_url=_password_reset_url(env),
        )
        # Braces would be read as template syntax.
        if re.search(rf"[{{}}<>{CONTROL}]", brand.name) or len(brand.name) > 60:
            env.problem("PRODUCT_NAME must be up to 60 characters without {, }, < or >.")
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", brand.color):
            env.problem(f"PRODUCT_COLOR is {brand.color!r}; it must look like #2f5d50.")
        if brand.url and not re.fullmatch(r"https?://[^\s{}<>\"']+", brand.url):
            env.problem("PRODUCT_URL must start with https:// or http://.")
        return brand


class Originator(Struct, frozen=True):
    """Who the mails come from."""

    address: str
    name: str

    @classmethod
    def read(cls, env: Environment, brand: Brand) -> Originator:
        address, name = _address(env, "FROM_EMAIL"), env.text("FROM_NAME", "")
        if re.search(f"[{CONTROL}]", name):
            env.problem("FROM_NAME must be one line without control characters.")
        return cls(address, name or brand.name)


class SendGridAccount(Struct, frozen=True):
    api_key: str
    base_url: str

    @classmethod
    def read(cls, env: Environment) -> SendGridAccount:
        base_url = env.text("SENDGRID_BASE_URL", "https://api.sendgrid.com").rstrip("/")
        parts = env.parts_of("SENDGRID_BASE_URL", base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            env.problem("SENDGRID_BASE_URL must start with https:// (or http:// for a stand-in).")
        elif parts.scheme == "http" and not (env.development or _is_private(parts.hostname)):
            env.problem("SENDGRID_BASE_URL must start with https://: the API key travels along.")
        return cls(api_key=env.secret("SENDGRID_API_KEY"), base_url=base_url)


class SmtpServer(Struct, frozen=True):
    host: str
    port: int
    security: Security
    username: str
    password: str

    @classmethod
    def read(cls, env: Environment) -> SmtpServer:
        """`smtp://` demands STARTTLS, `smtps://` starts with TLS, `smtp+plain://` has neither."""
        parts = env.parts_of("SMTP_URL", env.secret("SMTP_URL"))
        if parts.scheme == "smtp+plain" and not env.development:
            env.problem("SMTP_URL may be smtp+plain:// in development only.")
        if parts.scheme not in SMTP_SCHEMES or not parts.hostname:
            env.problem("SMTP_URL must look like smtp://user:password@host:587 or smtps://….")
        security, port = SMTP_SCHEMES.get(parts.scheme, ("starttls", 587))
        return cls(
            host=parts.hostname or "",
            port=parts.port or port,
            security=security,
            username=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )


class Settings(Struct, frozen=True, kw_only=True):
    """`sendgrid` or `smtp` is there when `sender` says so."""

    development: bool
    log_level: LogLevel
    kafka: KafkaConnection
    redis: RedisConnection
    otp_keys: OtpKeys
    brand: Brand
    originator: Originator
    sender: SenderName
    sendgrid: SendGridAccount | None
    smtp: SmtpServer | None
    concurrency: int
    probe_host: str
    probe_port: int
    metrics_token: str


def read_settings(variables: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process; raises UnsafeSettings with every problem at once."""
    env = Environment(variables)
    sender = _sender(env)
    brand = Brand.read(env)
    settings = Settings(
        development=env.development,
        log_level=env.choice("LOG_LEVEL", LOG_LEVELS, "info"),
        kafka=KafkaConnection.read(env),
        redis=RedisConnection.read(env),
        otp_keys=OtpKeys.read(env),
        brand=brand,
        originator=Originator.read(env, brand),
        sender=sender,
        sendgrid=SendGridAccount.read(env) if sender == "sendgrid" else None,
        smtp=SmtpServer.read(env) if sender == "smtp" else None,
        concurrency=env.integer("EMAIL_CONCURRENCY", 100, least=1, most=5000),
        probe_host=env.text("EMAIL_PROBE_HOST", "127.0.0.1"),
        probe_port=env.integer("EMAIL_PROBE_PORT", 3001, least=0, most=65535),
        metrics_token=env.key("METRICS_TOKEN", ""),
    )
    env.finish()
    return settings


def read_brand(variables: Mapping[str, str] = os.environ) -> Brand:
    """The brand alone, for a preview on a machine where nothing else is set up."""
    env = Environment(variables)
    brand = Brand.read(env)
    env.finish()
    return brand


def _sender(env: Environment) -> SenderName:
    sender = env.choice("SENDER", SENDERS, "sendgrid")
    if sender == "console" and not env.development:
        env.problem("SENDER may be console in development only: it prints the codes.")
    return sender


def _password_reset_url(env: Environment) -> str:
    url = env.text("PASSWORD_RESET_URL", "")
    if url and not re.fullmatch(r"https?://[^\s{}<>\"'#]+", url):
        env.problem("PASSWORD_RESET_URL must start with https:// and have no fragment.")
    elif url.startswith("http://") and not env.development:
        env.problem("PASSWORD_RESET_URL must start with https://: a link in it resets a password.")
    return url


def _address(env: Environment, name: str, default: str | None = None) -> str:
    address = env.text(name, default)
    try:
        if address:
            validate_email(
                address, check_deliverability=False, allow_smtputf8=False, test_environment=True
            )
    except EmailNotValidError as error:
        env.problem(f"{name} is not an email address: {error}")
    return address


def _is_private(host: str) -> bool:
    """Whether `host` is loopback, or a name without dots as only a container network knows it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return "." not in host
