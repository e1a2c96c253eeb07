"""Checks Gatepost's access tokens in other services, and knows when they end before their time.

`GatepostMiddleware(app, Gatepost("https://accounts.example.org", kafka=Kafka("broker:9092")))`
guards any ASGI application; `Kafka` comes from `gatepost_client.kafka` and needs the extra `kafka`.
"""

from gatepost_client.caller import Caller, caller_of, maybe_caller_of
from gatepost_client.gatepost import Gatepost
from gatepost_client.introspection import Introspection
from gatepost_client.middleware import GatepostMiddleware
from gatepost_client.refusals import Refused, TokenMissing, TokenRejected, Unavailable

__all__ = [
    "Caller",
    "Gatepost",
    "GatepostMiddleware",
    "Introspection",
    "Refused",
    "TokenMissing",
    "TokenRejected",
    "Unavailable",
    "caller_of",
    "maybe_caller_of",
]
