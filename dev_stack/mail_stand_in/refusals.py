"""SendGrid's error answers, worded as SendGrid words them."""

from __future__ import annotations

import time

from aiohttp import web
from msgspec import Struct, json

HELP = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#"


class Refusal(Struct, frozen=True):
    message: str
    field: str | None = None
    help: str | None = None


MESSAGES = {
    400: "Bad Request",
    401: "The provided authorization grant is invalid, expired, or revoked",
    403: "access forbidden",
    413: "The JSON payload you have included in your request is too large.",
    415: "Content-Type should be application/json.",
    429: "too many requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def refused(status: int, *refusals: Refusal, headers: dict[str, str] | None = None) -> web.Response:
    """An error answer; without `refusals` it says what SendGrid says to this status."""
    errors = refusals or (Refusal(MESSAGES.get(status, "error")),)
    return web.Response(
        status=status,
        body=json.encode({"errors": errors}),
        content_type="application/json",
        headers=headers,
    )


def rate_limited(reset_in: int) -> web.Response:
    """429 until `reset_in` seconds from now."""
    reset = str(int(time.time()) + reset_in)
    limits = {"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    return refused(429, headers=limits)
