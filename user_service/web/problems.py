"""Refusals as RFC 9457 problem details, wherever they are raised."""

from __future__ import annotations

import msgspec
import structlog
from litestar import Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from user_service.errors import (
    BodyTooLarge,
    ClientRejected,
    InternalError,
    InvalidFields,
    MalformedBody,
    MethodNotAllowed,
    NotFound,
    NotJson,
    OriginRefused,
    Refusal,
    TargetTooLong,
    TooManyRequests,
    Unavailable,
)
from user_service.web.answers import FieldError, Problem
from user_service.web.basic_auth import CHALLENGE
from user_service.web.exchange import AnyRequest, Exchange, exchange_of
from user_service.web.field_errors import field_errors

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
# What Litestar says of a body that breaks off: the caller's fault, and no alarm of ours.
HUNG_UP = "client disconnected prematurely"


# What any request with a body may be refused with.
EVERY_POST = (
    BodyTooLarge,
    InvalidFields,
    MalformedBody,
    NotJson,
    OriginRefused,
    TooManyRequests,
    Unavailable,
)

BY_STATUS: dict[int, type[Refusal]] = {404: NotFound, 405: MethodNotAllowed}


def problem(refusal: Refusal, exchange: Exchange) -> tuple[bytes, dict[str, str]]:
    """The body and the headers that a refusal is answered with."""
    exchange.code = refusal.code
    body = Problem(
        type=f"urn:gatepost:problem:{refusal.code}",
        title=refusal.title,
        status=refusal.status,
        detail=refusal.detail,
        code=refusal.code,
        request_id=exchange.request_id,
    )
    if refusal.fields:
        errors = [FieldError(name, sentence) for name, sentence in refusal.fields.items()]
        body = msgspec.structs.replace(body, errors=errors)
    headers = {}
    if refusal.retry_after is not None:
        headers["retry-after"] = str(refusal.retry_after)
    if refusal.status == 401:
        by_client = isinstance(refusal, ClientRejected)
        headers["www-authenticate"] = CHALLENGE if by_client else "Bearer"
    return msgspec.json.encode(body), headers


def note_cause(refusal: Refusal) -> None:
    """Log what a caller is not told."""
    if refusal.status >= 500 and refusal.__cause__ is not None:
        log.warning("refused", code=refusal.code, cause=repr(refusal.__cause__))


def answer_refusal(request: AnyRequest, refusal: Refusal) -> Response[bytes]:
    note_cause(refusal)
    body, headers = problem(refusal, exchange_of(request))
    return Response(body, status_code=refusal.status, media_type=MEDIA_TYPE, headers=headers)


def answer_http_exception(request: AnyRequest, exception: HTTPException) -> Response[bytes]:
    response = answer_refusal(request, refusal_of(exception))
    if exception.headers and (allow := exception.headers.get("allow")):
        response.set_header("allow", allow)
    return response


def answer_unexpected(request: AnyRequest, exception: Exception) -> Response[bytes]:
    # Litestar's decoder lets these two through: a body nested too deep, or one that is no UTF-8.
    if isinstance(exception, (RecursionError, UnicodeDecodeError)):
        return answer_refusal(request, MalformedBody())
    return answer_refusal(request, unexpected(exception))


def unexpected(exception: Exception) -> Refusal:
    """What an error of ours is answered as; logs it."""
    log.error("unexpected", exc_info=exception)
    return InternalError()


def refusal_of(exception: HTTPException) -> Refusal:
    """What Litestar refuses, as one of ours."""
    if isinstance(exception, ValidationException):
        return InvalidFields(**field_errors(exception))
    if exception.status_code == 413:
        return BodyTooLarge()
    if exception.status_code == 400 or exception.detail == HUNG_UP:
        return MalformedBody()
    return BY_STATUS.get(exception.status_code, InternalError)()


def documented(*refusals: type[Refusal]) -> dict[int, ResponseSpec]:
    """What an operation may be refused with, for the OpenAPI file."""
    specs = {}
    refusals = (*refusals, TargetTooLong)
    for status in sorted({refusal.status for refusal in refusals}):
        codes = sorted(refusal.code for refusal in refusals if refusal.status == status)
        specs[status] = ResponseSpec(
            Problem,
            description=" · ".join(codes),
            media_type=MEDIA_TYPE,
            generate_examples=False,
        )
    return specs
