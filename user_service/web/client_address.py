"""Where a request really comes from: the one function that decides it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from user_service.settings import Network
from user_service.storage.rate_limits import Client

NOWHERE = "0.0.0.0"  # noqa: S104 - no address to bind to, but the absence of one


class ClientAddress:
    """Trusts X-Forwarded-For only as far as the configured proxies wrote it."""

    def __init__(self, trusted: tuple[Network, ...]) -> None:
        self._trusted = trusted

    def of(self, scope: Mapping[str, Any]) -> Client:
        """The rightmost address of the chain that is none of our proxies."""
        peer = (scope.get("client") or (NOWHERE,))[0]
        if not self._trusted or not self._is_proxy(peer):
            return client_at(peer)
        chain = [
            hop.strip()
            for name, value in scope["headers"]
            if name == b"x-forwarded-for"
            for hop in value.decode("latin-1").split(",")
        ]
        return client_at(self._rightmost_untrusted(chain) or peer)

    def _rightmost_untrusted(self, chain: Iterable[str]) -> str | None:
        for hop in reversed(list(chain)):
            if _parsed(hop) is None:
                return None  # a proxy of ours writes addresses, so nothing left of this counts
            if not self._is_proxy(hop):
                return hop
        return None

    def _is_proxy(self, hop: str) -> bool:
        address = _parsed(hop)
        return address is not None and any(address in network for network in self._trusted)


@lru_cache(maxsize=4096)
def client_at(text: str) -> Client:
    """A client by its address; networks are the IPv4 address, or the IPv6 /64 and /48."""
    address = _parsed(text) or IPv4Address(NOWHERE)
    if isinstance(address, IPv4Address):
        return Client(str(address), str(address), str(address))
    return Client(
        str(address),
        str(IPv6Network((int(address), 64), strict=False)),
        str(IPv6Network((int(address), 48), strict=False)),
    )


@lru_cache(maxsize=4096)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:
        return None  # a zone is any text, and means something on its own host only
    return address.ipv4_mapped or address
