"""The keys that sign access tokens: an ES256 ring in Postgres, or one HS256 secret."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from user_service.errors import Unavailable
from user_service.identity import signing_key_store
from user_service.identity.master_key import MasterKey
from user_service.identity.signing_key_store import StoredKey
from user_service.storage.postgres import Transaction

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

    @classmethod
    def symmetric(cls, secret: str) -> Keyring:
        key = secret.encode()
        return cls("HS256", kid="hs256", signing=key, verifying={"hs256": key})

    @property
    def ready(self) -> bool:
        """Whether the ring has been read."""
        return bool(self.verifying)

    def require_ready(self) -> None:
        """Raise Unavailable until the ring has been read for the first time."""
        if not self.ready:
            raise Unavailable("signing keys")

    def take(self, stored: list[StoredKey], master_key: MasterKey) -> None:
        """Replace the ring by what Postgres holds, newest first; raises NoSigningKey."""
        signing = next((key for key in stored if not key.retired), None)
        if signing is None:
            raise NoSigningKey
        verifying = {key.kid: _public(key.public_key) for key in stored}
        if verifying.keys() == self.verifying.keys() and self.kid == signing.kid:
            return
        sealed = master_key.unseal(signing.sealed_private, bound_to=signing.kid)
        self.signing = _private(sealed)
        self.verifying = verifying
        self.kid = signing.kid
        self.generation += 1

    def jwks(self) -> list[dict[str, str]]:
        """Public keys as RFC 7517 wants them; none for HS256."""
        keys = []
        for kid, key in self.verifying.items():
            if isinstance(key, ec.EllipticCurvePublicKey):
                jwk = ECAlgorithm(ECAlgorithm.SHA256).to_jwk(key, as_dict=True)
                keys.append(jwk | {"kid": kid, "use": "sig", "alg": "ES256"})
        return keys


async def ensure_signing_key(tx: Transaction, master_key: MasterKey) -> str | None:
    """The kid of a new key if there was none; raises WrongMasterKey when ours fits none."""
    await signing_key_store.lock(tx)
    stored = await signing_key_store.all_newest_first(tx)
    if not stored:
        return await add_signing_key(tx, master_key)
    master_key.unseal(stored[0].sealed_private, bound_to=stored[0].kid)
    return None


async def add_signing_key(tx: Transaction, master_key: MasterKey) -> str:
    """Make an ES256 key pair, store it with its private half sealed, and return its kid."""
    kid = secrets.token_hex(8)
    private = ec.generate_private_key(ec.SECP256R1())
    plain = private.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    await signing_key_store.add(
        tx, kid=kid, public_key=public.decode(), sealed=master_key.seal(plain, bound_to=kid)
    )
    return kid


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
