"""The OpenAPI file says what the service does, and nothing that it sends breaks the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis.strategies import booleans
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from tests.corner import Corner
from tests.people import fresh_network
from tests.service_process import ServiceProcess
from tests.unlimited import UNLIMITED
from tests.user_service.sensible_requests import ANSWERS, BODIES, Subject
from tests.user_service.services import OtherService, registered

# The service does it all: the tracer would only take time here.
pytestmark = pytest.mark.no_cover

OPERATIONS = [
    "POST /api/auth/register",
    "POST /api/auth/resend-otp",
    "POST /api/auth/verify-otp",
    "POST /api/auth/login",
    "POST /api/auth/refresh",
    "POST /api/auth/logout",
    "GET /api/auth/sessions",
    "DELETE /api/auth/sessions",
    "DELETE /api/auth/sessions/{session_id}",
    "POST /api/auth/password-recovery",
    "POST /api/auth/reset-password",
    "GET /api/auth/profile",
    "PATCH /api/auth/profile",
    "DELETE /api/auth/profile",
    "POST /api/auth/change-password",
    "POST /api/auth/change-email",
    "POST /api/auth/change-email/verify",
    "GET /v1/me",
    "POST /token",
    "POST /validate",
    "POST /introspect",
    "POST /revoke",
    "POST /webhooks/clerk",
    "POST /api/webhook/clerk",
    "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-authorization-server",
    "GET /api/users/by-clerk-id/{clerk_id}",
    "GET /api/admin/users",
    "GET /api/admin/users/{user_id}",
    "DELETE /api/admin/users/{user_id}",
    "POST /api/admin/users/{user_id}/disable",
    "POST /api/admin/users/{user_id}/enable",
    "POST /api/admin/users/{user_id}/force-password-reset",
    "DELETE /api/admin/users/{user_id}/sessions",
    "GET /api/admin/audit",
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
]
# What an answer must be whatever was sent. Whether a well-formed value means anything, such as an
# address without a domain, is for the service to say and not for its schema.
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
    checks.allow_header_conformance,
    checks.ignored_auth,
]
OF_GENERATED = [checks.negative_data_rejection, checks.ignored_auth]
FOR_CLIENTS = ("POST /introspect", "POST /revoke")
AnyOperation = APIOperation[Any, Any, Any, Any]


@pytest.fixture(scope="module")
def unlimited(corner: Corner) -> Iterator[ServiceProcess]:
    with ServiceProcess.started(corner.variables, **UNLIMITED) as service:
        yield service


@pytest.fixture(scope="module")
def schema(unlimited: ServiceProcess) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{unlimited.url}/docs/openapi.json")


@pytest.fixture(scope="module")
def billing(corner: Corner, unlimited: ServiceProcess) -> OtherService:
    return registered(corner, unlimited)


def test_every_route_is_in_the_openapi_file(schema: schemathesis.BaseSchema) -> None:
    described = [f"{method.upper()} {path}" for path in schema for method in schema[path]]
    assert sorted(described) == sorted(OPERATIONS)


@pytest.mark.parametrize("label", OPERATIONS)
def test_answers_are_those_that_the_openapi_file_describes(
    schema: schemathesis.BaseSchema,
    unlimited: ServiceProcess,
    corner: Corner,
    billing: OtherService,
    label: str,
) -> None:
    method, path = label.split()
    reached = _try(schema[path][method], label, unlimited, corner, billing)
    # With sensible values a request gets beyond its schema, or this would test only refusals.
    assert ANSWERS.get(label, 200) in reached


def _try(
    operation: AnyOperation,
    label: str,
    service: ServiceProcess,
    corner: Corner,
    billing: OtherService,
) -> set[int]:
    """The statuses that hypothesis' requests were answered with; every answer is checked."""
    reached: set[int] = set()
    anything = operation.as_strategy() | operation.as_strategy(
        generation_mode=schemathesis.GenerationMode.NEGATIVE
    )

    @hypothesis.settings(
        max_examples=20,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=anything, sensible=booleans())
    def tried(case: schemathesis.Case[Any], sensible: bool) -> None:
        headers = {"x-forwarded-for": fresh_network()}
        if sensible:
            subject = Subject.made(corner, service)
            headers |= subject.tokens.headers
            if label in FOR_CLIENTS:
                headers["authorization"] = billing.basic
            if label in BODIES:
                case.body = BODIES[label](subject)
            if "user_id" in (case.path_parameters or {}):
                case.path_parameters["user_id"] = str(subject.other)
            if label.startswith("GET /api/admin"):
                case.query = {"limit": 2}
        response = case.call(base_url=service.url, headers=headers)
        reached.add(response.status_code)
        # A token that was added to a case is not one that schemathesis may judge.
        checks = [check for check in CHECKS if not (sensible and check in OF_GENERATED)]
        case.validate_response(response, checks=checks)

    tried()
    return reached
