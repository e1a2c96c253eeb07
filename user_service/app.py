"""The HTTP application: mounts the routes and maps refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp

from shared.log import configure_log
from user_service import __version__
from user_service.admin.routes import AdminRoutes
from user_service.assembly import Assembly, assemble
from user_service.clerk.routes import clerk_webhook
from user_service.clerk.user_routes import by_clerk_id
from user_service.errors import Refusal
from user_service.health.routes import MetricsAccess, health, live, metrics, ready
from user_service.login.routes import LoginRoutes
from user_service.oauth.grants import Grants
from user_service.oauth.metadata import jwks, metadata
from user_service.oauth.routes import FormRoutes, validate
from user_service.pages.docs import asset, description, start_script
from user_service.profile.address_routes import AddressRoutes
from user_service.profile.password_routes import PasswordRoutes
from user_service.profile.routes import ProfileRoutes
from user_service.recovery.routes import RecoveryRoutes
from user_service.registration.routes import RegistrationRoutes
from user_service.sessions.routes import SessionRoutes
from user_service.settings import Settings, read_settings
from user_service.supervised import supervised
from user_service.web.access_log import AccessLog
from user_service.web.client_address import ClientAddress
from user_service.web.edge import Edge
from user_service.web.problems import (
    answer_http_exception,
    answer_refusal,
    answer_unexpected,
)

LARGEST_BODY = 16 * 1024
ROUTES = (
    RegistrationRoutes,
    LoginRoutes,
    SessionRoutes,
    RecoveryRoutes,
    ProfileRoutes,
    PasswordRoutes,
    AddressRoutes,
    AdminRoutes,
    FormRoutes,
    clerk_webhook,
    by_clerk_id,
    validate,
    jwks,
    metadata,
    health,
    live,
    ready,
    metrics,
    start_script,
    asset,
)


def create() -> ASGIApp:
    """The application as the environment describes it; what a server process loads."""
    settings = read_settings()
    configure_log("user-service", level=settings.log_level)
    return build(settings, assemble(settings))


def build(settings: Settings, assembly: Assembly) -> ASGIApp:
    base = urlsplit(settings.public_base_url)
    https = base.scheme == "https"

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        async with supervised(), assembly.running():
            yield

    app = Litestar(
        ROUTES,
        dependencies=_dependencies(settings, assembly),
        exception_handlers={
            Refusal: answer_refusal,
            HTTPException: answer_http_exception,
            Exception: answer_unexpected,
        },
        cors_config=_cors(settings),
        openapi_config=description(settings.product_name, __version__),
        request_max_body_size=LARGEST_BODY,
        lifespan=[lifespan],
        state=State({"access_tokens": assembly.tokens, "clerk_tokens": assembly.clerk_tokens}),
        logging_config=None,
    )
    listed = frozenset(origin.encode() for origin in settings.cors_origins)
    return Edge(
        app=app,
        clients=ClientAddress(settings.trusted_proxies),
        origins=listed | {f"{base.scheme}://{base.netloc}".encode()},
        listed_origins=listed,
        https=https,
        access_log=AccessLog(assembly.registry),
    )


def _dependencies(settings: Settings, assembly: Assembly) -> dict[str, Provide]:
    constants: dict[str, Any] = {
        "registration": assembly.registration,
        "login": assembly.login,
        "sessions": assembly.sessions,
        "recovery": assembly.recovery,
        "profile": assembly.profile,
        "password_change": assembly.password_change,
        "address_change": assembly.address_change,
        "administration": assembly.administration,
        "grants": Grants(assembly.login, assembly.sessions),
        "webhook": assembly.clerk_webhook,
        "clerk_users": assembly.clerk_users,
        "introspection": assembly.introspection,
        "tokens": assembly.tokens,
        "keyring": assembly.keyring,
        "checkup": assembly.checkup,
        "registry": assembly.registry,
        "metrics_access": MetricsAccess(settings.metrics_token, settings.development),
    }
    return {name: _constant(value) for name, value in constants.items()}


def _constant(value: object) -> Provide:
    def provide() -> Any:
        return value

    return Provide(provide, use_cache=True, sync_to_thread=False)


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.cors_origins:
        return None
    return CORSConfig(
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=["authorization", "content-type", "x-request-id"],
        expose_headers=["retry-after", "x-request-id"],
        allow_credentials=True,
        max_age=600,
    )
