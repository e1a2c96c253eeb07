"""What `POST /token` gives tokens for: a password, or a refresh token."""

from __future__ import annotations

from dataclasses import dataclass

from user_service.errors import UnsupportedGrantType
from user_service.identity.identifiers import Identifier
from user_service.identity.refresh_tokens import TOKEN_CHARACTERS
from user_service.identity.session_store import Device
from user_service.identity.token_pair import TokenPair
from user_service.login.flow import Login
from user_service.oauth.forms import Form, parameter
from user_service.sessions.flow import Sessions
from user_service.storage.rate_limits import Client

LONGEST_IDENTIFIER = 254
LONGEST_PASSWORD = 256


@dataclass(frozen=True, slots=True)
class Grants:
    login: Login
    sessions: Sessions

    @property
    def lifetime(self) -> int:
        """Of the access tokens, in seconds."""
        return self.login.tokens.lifetime

    async def give(self, form: Form, client: Client, device: Device) -> TokenPair:
        """Raises UnsupportedGrantType, InvalidFields, and what login and refresh refuse with."""
        match parameter(form, "grant_type", most=100):
            case "password":
                return await self.login.open_session(
                    Identifier.typed(parameter(form, "username", LONGEST_IDENTIFIER)),
                    parameter(form, "password", LONGEST_PASSWORD),
                    client,
                    device,
                )
            case "refresh_token":
                token = parameter(form, "refresh_token", TOKEN_CHARACTERS)
                return await self.sessions.refresh(token, client)
        raise UnsupportedGrantType
