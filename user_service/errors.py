"""Every refusal: its status, its stable code, and the sentence that a caller reads.

Refusal
├── InvalidFields            400  which fields, and what would be accepted
├── MalformedBody            400
├── WrongCode                400
├── RegistrationIdRequired   400
├── UnsupportedGrantType     400
├── WebhookRejected          400
├── ClientRejected           401
├── WrongCredentials         401
├── TokenRejected            401
├── RefreshTokenRejected     401
├── OriginRefused            403
├── WrongPassword            403
├── AdminsOnly               403
├── NotFound                 404
├── NoSuchUser               404
├── NoSuchSession            404
├── MethodNotAllowed         405  Allow
├── AddressTaken             409
├── UsernameTaken            409
├── UsernamesSpent           409
├── OwnAccount               409
├── CodeExpired              410
├── BodyTooLarge             413
├── NotJson                  415
├── NotForm                  415
├── GuessesSpent             429
├── TooManyRequests          429  Retry-After
├── InternalError            500
└── Unavailable              503  Retry-After
    ├── Overloaded           503  Retry-After
    ├── NotReady             503  Retry-After
    ├── Overtaken            503  Retry-After; its text is for the operator
    └── NotMailed            503  Retry-After; raised by identity.challenge_mail
"""

from __future__ import annotations

from typing import ClassVar


class Refusal(Exception):
    """A request is refused for a reason that its caller may know."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]
    detail: ClassVar[str]
    retry_after: int | None = None
    fields: dict[str, str] | None = None


class InvalidFields(Refusal):
    """`fields` maps each refused field to a sentence about what would be accepted."""

    status = 400
    code = "invalid_request"
    title = "Invalid request"
    detail = "The body is not acceptable; errors names the field and says why."

    def __init__(self, **fields: str) -> None:
        super().__init__(fields)
        self.fields = fields


class MalformedBody(Refusal):
    status = 400
    code = "malformed_body"
    title = "Malformed body"
    detail = "The body is not valid JSON."


class WrongCode(Refusal):
    status = 400
    code = "wrong_code"
    title = "Wrong code"
    detail = "This code does not belong to this address and attempt. Check the newest mail."


class RegistrationIdRequired(Refusal):
    status = 400
    code = "registration_id_required"
    title = "registration_id required"
    detail = "Send the registration_id that POST /api/auth/register answered, or its cookie."


class UnsupportedGrantType(Refusal):
    status = 400
    code = "unsupported_grant_type"
    title = "Unsupported grant type"
    detail = "grant_type is password or refresh_token."


class WebhookRejected(Refusal):
    status = 400
    code = "webhook_rejected"
    title = "Webhook rejected"
    detail = "This is no message that Clerk has signed for this endpoint lately."


class ClientRejected(Refusal):
    status = 401
    code = "invalid_client"
    title = "Client rejected"
    detail = "Send a client's credentials by HTTP Basic. `user_service clients add` makes them."


class WrongCredentials(Refusal):
    status = 401
    code = "wrong_credentials"
    title = "Wrong credentials"
    detail = "The email address, username or password is wrong."


class TokenRejected(Refusal):
    status = 401
    code = "token_rejected"
    title = "Access token rejected"
    detail = "Send a valid access token as 'Authorization: Bearer <token>'. Log in to get one."


class RefreshTokenRejected(Refusal):
    status = 401
    code = "refresh_token_rejected"
    title = "Refresh token rejected"
    detail = "This refresh token is not valid, or its session has ended. Log in again."


class OriginRefused(Refusal):
    status = 403
    code = "origin_refused"
    title = "Origin refused"
    detail = "Pages of this origin may not call this service. CORS_ORIGINS lists those that may."


class WrongPassword(Refusal):
    status = 403
    code = "wrong_password"
    title = "Wrong password"
    detail = "The current password is wrong. It is needed for this change."


class AdminsOnly(Refusal):
    status = 403
    code = "admins_only"
    title = "Administrators only"
    detail = "Only administrators may do this. `user_service admin grant` makes one."


class NotFound(Refusal):
    status = 404
    code = "not_found"
    title = "Not found"
    detail = "There is nothing here. The API is described at /docs."


class NoSuchUser(Refusal):
    status = 404
    code = "no_such_user"
    title = "No such user"
    detail = "No user has this id."


class NoSuchSession(Refusal):
    status = 404
    code = "no_such_session"
    title = "No such session"
    detail = "You have no live session with this id. GET /api/auth/sessions lists them."


class MethodNotAllowed(Refusal):
    status = 405
    code = "method_not_allowed"
    title = "Method not allowed"
    detail = "This path does not answer this method. The API is described at /docs."


class AddressTaken(Refusal):
    status = 409
    code = "address_taken"
    title = "Address taken"
    detail = "An account with this email address exists by now. Log in instead."


class UsernameTaken(Refusal):
    status = 409
    code = "username_taken"
    title = "Username taken"
    detail = "This username belongs to somebody else. Choose another, or leave it out."


class UsernamesSpent(Refusal):
    status = 409
    code = "usernames_spent"
    title = "Usernames spent"
    detail = "This account has had as many usernames as it may. Take up one of them again."


class OwnAccount(Refusal):
    status = 409
    code = "own_account"
    title = "Own account"
    detail = "Administrators cannot disable, reset or delete themselves here: ask another one."


class CodeExpired(Refusal):
    status = 410
    code = "code_expired"
    title = "Code expired"
    detail = "This code or its attempt has expired. Ask for a new code, or begin again."


class BodyTooLarge(Refusal):
    status = 413
    code = "body_too_large"
    title = "Body too large"
    detail = "A request body may hold at most 16 KiB."


class TargetTooLong(Refusal):
    status = 414
    code = "target_too_long"
    title = "Path or query too long"
    detail = "A path and its query may hold at most 2 KiB."


class NotJson(Refusal):
    status = 415
    code = "not_json"
    title = "Unsupported media type"
    detail = "Send the body as application/json."


class NotForm(Refusal):
    status = 415
    code = "not_form"
    title = "Unsupported media type"
    detail = "Send the body as application/x-www-form-urlencoded."


class GuessesSpent(Refusal):
    status = 429
    code = "guesses_spent"
    title = "Too many wrong codes"
    detail = "This attempt takes no more codes. Begin again, and a new one is mailed."


class TooManyRequests(Refusal):
    """`retry_after` is in whole seconds."""

    status = 429
    code = "too_many_requests"
    title = "Too many requests"
    detail = "Too many requests. Wait as many seconds as Retry-After says."

    def __init__(self, retry_after: float) -> None:
        super().__init__(retry_after)
        self.retry_after = max(1, int(retry_after + 0.999))


class InternalError(Refusal):
    status = 500
    code = "internal_error"
    title = "Internal error"
    detail = "Something went wrong on our side. The request id leads us to it."


class Unavailable(Refusal):
    """A dependency does not answer; the cause is for the log, never for the caller."""

    status = 503
    code = "unavailable"
    title = "Temporarily unavailable"
    detail = "The service cannot answer right now. Nothing was done; try again in a moment."
    retry_after = 2


class Overloaded(Unavailable):
    code = "overloaded"
    title = "Overloaded"
    detail = "Too many requests are being worked on. Nothing was done; try again in a moment."
    retry_after = 1


class NotReady(Unavailable):
    code = "not_ready"
    title = "Not ready"
    detail = "Postgres does not answer, or its schema or signing key is missing: run migrate."


class Overtaken(Unavailable):
    """Somebody else was faster; its text is a sentence, for nothing fails to answer."""
