"""POST /webhooks/clerk: what Clerk tells of its users."""

from __future__ import annotations

from litestar import post
from litestar.exceptions import HTTPException
from litestar.status_codes import HTTP_200_OK

from user_service.clerk.flow import ClerkWebhook
from user_service.errors import NotFound, OriginRefused, Unavailable, WebhookRejected
from user_service.web.answers import Success
from user_service.web.edge import WEBHOOK_PATHS
from user_service.web.exchange import AnyRequest, exchange_of
from user_service.web.injected import Injected
from user_service.web.problems import documented

# Clerk lets a user have 8 KB of metadata of each of three kinds. Anybody may begin to send so much.
LARGEST_BODY = 64 * 1024


@post(
    sorted(WEBHOOK_PATHS),
    tags=["Clerk"],
    status_code=HTTP_200_OK,
    request_max_body_size=LARGEST_BODY,
    summary="Take in what Clerk tells of a user, signed by Svix",
    description="For Clerk, which signs the body in the headers svix-id, svix-timestamp and "
    "svix-signature. Under the second name it does the same.",
    responses=documented(NotFound, OriginRefused, Unavailable, WebhookRejected),
)
async def clerk_webhook(request: AnyRequest, webhook: Injected[ClerkWebhook]) -> Success[None]:
    headers = exchange_of(request).headers
    webhook.require_plausible(headers)
    try:
        body = await request.body()
    except HTTPException:  # too large, or broken off
        raise WebhookRejected from None
    await webhook.take(headers, body)
    return Success(message="Taken.", data=None)
