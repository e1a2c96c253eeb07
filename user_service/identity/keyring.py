"""The keys that sign access tokens: an ES256 ring in Postgres, or one HS256 secret."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from user_service.errors import Unavailable
from user_service.identity import signing_key_store
from user_service.identity.master_key import MasterKey
from user_service.identity.signing_key_store import StoredKey

SigningKey = ec.EllipticCurvePrivateKey | bytes
VerifyingKey = ec.EllipticCurvePublicKey | bytes


class NoSigningKey(Exception):
    """`migrate` has not made a signing key yet."""


@dataclass(slots=True)
class Keyring:
    """One algorithm, the key that signs, and every key whose signatures still count."""

    algorithm: str
    kid: str = ""
    signing: SigningKey = b""
    verifying: Mapping[str, VerifyingKey] = field(default_factory=dict)
    # Rises with every change of keys, so that remembered verifications can be dropped.
    generation: int = 0
    # Set when a token names a key that is not in the ring.
    missed: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def symmetric(cls, secret: str) -> Keyring:
        key = secret.encode()
        return cls("HS256", kid="hs256", signing=key, verifying={"hs256": key})

    @property
    def ready(self) -> bool:
        """Whether there is a key to sign with."""
        return bool(self.kid)

    def require_ready(self) -> None:
        """Raise Unavailable until the ring has been read for the first time."""
        if not self.ready:
            raise Unavailable("signing keys")

    def verifier(self, kid: str) -> VerifyingKey | None:
        """The key of a token that names it.

        An unknown one may be another process' news, so that the ring is read again soon.
        """
        key = self.verifying.get(kid)
        if key is None:
            self.missed.set()
        return key

    def take(self, stored: list[StoredKey], master_key: MasterKey) -> None:
        """Replace the ring by what Postgres holds, newest first.

        Raises NoSigningKey; and WrongMasterKey, after which the key that signed before goes on
        unless it was revoked.
        """
        self._verify_with(stored)
        signing = signing_key_store.signing_of(stored)
        if signing is None:
            raise NoSigningKey
        if signing.kid != self.kid:
            self.signing = _private(master_key.unseal(signing.sealed_private, bound_to=signing.kid))
            self.kid = signing.kid

    def _verify_with(self, stored: list[StoredKey]) -> None:
        verifying = {key.kid: _public(key.public_key) for key in stored}
        if verifying.keys() != self.verifying.keys():
            self.verifying = verifying
            self.generation += 1
        # A token that is signed with a revoked key would be refused everywhere.
        if self.kid not in verifying:
            self.kid = ""

    def jwks(self) -> list[dict[str, str]]:
        """Public keys as RFC 7517 wants them; none for HS256."""
        keys = []
        for kid, key in self.verifying.items():
            if isinstance(key, ec.EllipticCurvePublicKey):
                jwk = ECAlgorithm(ECAlgorithm.SHA256).to_jwk(key, as_dict=True)
                keys.append(jwk | {"kid": kid, "use": "sig", "alg": "ES256"})
        return keys


def _public(pem: str) -> ec.EllipticCurvePublicKey:
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError("a signing key is not an elliptic-curve key")
    return key


def _private(der: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_der_private_key(der, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("a signing key is not an elliptic-curve key")
    return key
