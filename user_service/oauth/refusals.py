"""Refusals in the shape of RFC 6749 §5.2, where those who ask know no other."""

from __future__ import annotations

import re

from litestar import Response
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ExceptionHandlersMap
from msgspec import Struct

from user_service.errors import (
    BodyTooLarge,
    ClientRejected,
    InvalidFields,
    NotForm,
    OriginRefused,
    RefreshTokenRejected,
    Refusal,
    Unavailable,
    WrongCredentials,
)
from user_service.web.exchange import AnyRequest, exchange_of
from user_service.web.problems import documented as in_problem_shape
from user_service.web.problems import (
    note_cause,
    problem,
    refusal_of,
    unexpected,
)

INVALID_GRANT = (WrongCredentials, RefreshTokenRejected)
INVALID_REQUEST = (InvalidFields, BodyTooLarge)
# What an error_description may not hold: a sentence may quote what was typed.
UNSPEAKABLE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")


class OAuthError(Struct, frozen=True):
    """`error` is the RFC's code; where it has none (429), it is ours."""

    error: str
    error_description: str


def answer_refusal(request: AnyRequest, refusal: Refusal) -> Response[OAuthError]:
    note_cause(refusal)
    _, headers = problem(refusal, exchange_of(request))
    if not isinstance(refusal, ClientRejected):
        headers.pop("www-authenticate", None)
    return Response(_error(refusal), status_code=_status(type(refusal)), headers=headers)


def answer_http_exception(request: AnyRequest, exception: HTTPException) -> Response[OAuthError]:
    return answer_refusal(request, refusal_of(exception))


def answer_error(request: AnyRequest, exception: Exception) -> Response[OAuthError]:
    return answer_refusal(request, unexpected(exception))


IN_OAUTH_SHAPE: ExceptionHandlersMap = {
    Refusal: answer_refusal,
    HTTPException: answer_http_exception,
    Exception: answer_error,
}


def documented(*refusals: type[Refusal]) -> dict[int, ResponseSpec]:
    """What an operation may be refused with, for the OpenAPI file.

    Before an operation is reached, the edge refuses in the shape of every other operation.
    """
    specs = in_problem_shape(NotForm, OriginRefused)
    for status in sorted({_status(refusal) for refusal in refusals}):
        errors = {_error_code(refusal) for refusal in refusals if _status(refusal) == status}
        description = " · ".join(sorted(errors))
        specs[status] = ResponseSpec(OAuthError, description=description, generate_examples=False)
    return specs


def _status(refusal: type[Refusal]) -> int:
    return 400 if issubclass(refusal, INVALID_GRANT + INVALID_REQUEST) else refusal.status


def _error_code(refusal: type[Refusal]) -> str:
    if issubclass(refusal, INVALID_GRANT):
        return "invalid_grant"
    if issubclass(refusal, INVALID_REQUEST):
        return "invalid_request"
    return "temporarily_unavailable" if issubclass(refusal, Unavailable) else refusal.code


def _error(refusal: Refusal) -> OAuthError:
    sentences = " ".join((refusal.fields or {}).values()) or refusal.detail
    return OAuthError(_error_code(type(refusal)), UNSPEAKABLE.sub("?", sentences))
