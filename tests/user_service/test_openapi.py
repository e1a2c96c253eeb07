"""The OpenAPI file says what the service does, and nothing that it sends breaks the service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from hypothesis.strategies import booleans
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import Person, fresh_address, fresh_network, member
from tests.service_process import ServiceProcess
from tests.unlimited import UNLIMITED

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
    "GET /api/auth/profile",
    "GET /v1/me",
    "GET /.well-known/jwks.json",
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
# What a sensible request to a path is answered with, where that is not 200.
MEANT = {
    "/api/auth/sessions/{session_id}": 404,
    "/api/auth/register": 202,
    "/api/auth/resend-otp": 410,
    "/api/auth/verify-otp": 410,
}
AnyOperation = APIOperation[Any, Any, Any, Any]


@pytest.fixture(scope="module")
def unlimited(corner: Corner) -> Iterator[ServiceProcess]:
    with ServiceProcess.started(corner.variables, **UNLIMITED) as service:
        yield service


@pytest.fixture(scope="module")
def schema(unlimited: ServiceProcess) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{unlimited.url}/docs/openapi.json")


@pytest.fixture(scope="module")
def somebody(unlimited: ServiceProcess, mailroom: Mailroom) -> Person:
    return asyncio.run(member(unlimited, mailroom))


def test_every_route_is_in_the_openapi_file(schema: schemathesis.BaseSchema) -> None:
    described = [f"{method.upper()} {path}" for path in schema for method in schema[path]]
    assert sorted(described) == sorted(OPERATIONS)


@pytest.mark.parametrize("label", OPERATIONS)
def test_answers_are_those_that_the_openapi_file_describes(
    schema: schemathesis.BaseSchema, unlimited: ServiceProcess, somebody: Person, label: str
) -> None:
    method, path = label.split()
    reached = _try(schema[path][method], unlimited, somebody)
    # With sensible values a request gets beyond its schema, or this would test only refusals.
    assert MEANT.get(path, 200) in reached


def _try(operation: AnyOperation, service: ServiceProcess, somebody: Person) -> set[int]:
    """The statuses that hypothesis' requests were answered with; every answer is checked."""
    reached: set[int] = set()
    anything = operation.as_strategy() | operation.as_strategy(
        generation_mode=schemathesis.GenerationMode.NEGATIVE
    )

    def token() -> dict[str, str]:
        # One for each request, because some of them end the session.
        answer = httpx.post(f"{service.url}/api/auth/login", json=somebody.credentials())
        data: dict[str, str] = answer.json()["data"]
        return data

    @hypothesis.settings(
        max_examples=50,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=anything, sensible=booleans())
    def tried(case: schemathesis.Case[Any], sensible: bool) -> None:
        headers = {"x-forwarded-for": fresh_network()}
        if sensible:
            opened = token()
            headers["authorization"] = f"Bearer {opened['token']}"
            case.body = _sensible(operation.path, somebody, opened, case.body)
        response = case.call(base_url=service.url, headers=headers)
        reached.add(response.status_code)
        # A token that was added to a case is not one that schemathesis may judge.
        checks = [check for check in CHECKS if not (sensible and check in OF_GENERATED)]
        case.validate_response(response, checks=checks)

    tried()
    return reached


def _sensible(path: str, somebody: Person, opened: dict[str, str], body: Any) -> Any:
    """A body that a person might send, where the path takes one."""
    if path == "/api/auth/refresh":
        return {"refresh_token": opened["refresh_token"]}
    if path == "/api/auth/register":
        return Person().registration()
    if path == "/api/auth/login":
        return somebody.credentials()
    if path == "/api/auth/verify-otp":
        return {"email": fresh_address(), "otp": "123456", "registration_id": "r" * 32}
    if path == "/api/auth/resend-otp":
        return {"registration_id": "r" * 32}
    return body
