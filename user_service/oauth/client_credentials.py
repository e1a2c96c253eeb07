"""A client's credentials in a request: HTTP Basic, or two parameters of the form."""

from __future__ import annotations

from user_service.errors import InvalidFields
from user_service.identity.clients import ClientCredentials
from user_service.oauth.forms import Form
from user_service.web.basic_auth import basic_credentials
from user_service.web.exchange import AnyRequest, exchange_of


def credentials_of(request: AnyRequest, form: Form) -> ClientCredentials | None:
    """None when there are none; raises InvalidFields for both at once (RFC 6749 §2.3)."""
    header = exchange_of(request).headers.get(b"authorization")
    if header is None:
        return ClientCredentials(form.get("client_id", ""), form.get("client_secret", ""))
    if "client_secret" in form:
        raise InvalidFields(body="Send credentials by HTTP Basic or in the form, not both.")
    return basic_credentials(header)
