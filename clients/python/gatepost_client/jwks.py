"""The keys in a JWKS document (RFC 7517) that may have signed an access token."""

from __future__ import annotations

import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from jwt.algorithms import ECAlgorithm

OURS = {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig"}


class NotAKeySet(Exception):
    """The document is no JWKS."""


def keys_in(document: bytes) -> dict[str, EllipticCurvePublicKey]:
    """Those for ES256, by their kid; raises NotAKeySet. Other kinds of keys are passed over."""
    try:
        listed = json.loads(document)["keys"]
        return {jwk["kid"]: key for jwk in listed if (key := _key(jwk)) is not None}
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise NotAKeySet(type(error).__name__) from None


def _key(jwk: dict[str, Any]) -> EllipticCurvePublicKey | None:
    if type(jwk.get("kid")) is not str or not jwk["kid"]:
        return None
    if any(jwk.get(name, wanted) != wanted for name, wanted in OURS.items()):
        return None
    try:
        key = ECAlgorithm.from_jwk(jwk)
    except (jwt.PyJWTError, TypeError, ValueError):
        return None
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    return None
