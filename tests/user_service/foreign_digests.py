"""One password's digests, as other systems write them. Made by their libraries or by hand."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import bcrypt
from argon2 import PasswordHasher
from argon2.low_level import Type, hash_secret

SALT = b"sixteen of bytes"


def _b64(content: bytes) -> str:
    return b64encode(content).decode().rstrip("=")


def digests_of(password: str) -> dict[str, str]:
    """By the name of the format; each as cheap as its bounds allow."""
    typed = password.encode()
    made = bcrypt.hashpw(typed[:72], bcrypt.gensalt(4)).decode()
    argon2id = PasswordHasher(1, 64, 1).hash(typed)
    argon2i = PasswordHasher(1, 64, 1, type=Type.I).hash(typed)
    old = hash_secret(typed, SALT, 1, 64, 1, 32, Type.I, version=16).decode()
    scrypt = hashlib.scrypt(typed, salt=SALT, n=1024, r=8, p=1, dklen=32)
    plain = hashlib.scrypt(typed, salt=b"plain-salt", n=1024, r=8, p=1, dklen=64)
    sha256 = hashlib.pbkdf2_hmac("sha256", typed, SALT, 1000)
    sha512 = hashlib.pbkdf2_hmac("sha512", typed, SALT, 1000)
    plain256 = hashlib.pbkdf2_hmac("sha256", typed, b"plain-salt", 1000)
    plain512 = hashlib.pbkdf2_hmac("sha512", typed, b"plain-salt", 1000)
    dotted = _b64(sha256).replace("+", ".")
    return {
        "bcrypt 2b": made,
        "bcrypt 2a": made.replace("$2b$", "$2a$"),
        "bcrypt 2y": made.replace("$2b$", "$2y$"),
        "bcrypt of Django": f"bcrypt${made}",
        "argon2id": argon2id,
        "argon2i": argon2i,
        "argon2i of version 16": old,
        "argon2i without a version": old.replace("v=16$", ""),
        "argon2 of Django": f"argon2{argon2id}",
        "scrypt of passlib": f"$scrypt$ln=10,r=8,p=1${_b64(SALT)}${_b64(scrypt)}",
        "scrypt of werkzeug": f"scrypt:1024:8:1$plain-salt${plain.hex()}",
        "scrypt of Django": f"scrypt$plain-salt$1024$8$1${b64encode(plain).decode()}",
        "pbkdf2 of Django": f"pbkdf2_sha256$1000$plain-salt${b64encode(plain256).decode()}",
        "pbkdf2 of passlib": f"$pbkdf2-sha256$1000${_b64(SALT)}${dotted}",
        "pbkdf2 of passlib, 512": f"$pbkdf2-sha512$1000${_b64(SALT)}${_b64(sha512)}",
        "pbkdf2 as PHC": f"$pbkdf2-sha256$i=1000,l=32${_b64(SALT)}${_b64(sha256)}",
        "pbkdf2 of werkzeug": f"pbkdf2:sha256:1000$plain-salt${plain256.hex()}",
        "pbkdf2 of werkzeug, 512": f"pbkdf2:sha512:1000$plain-salt${plain512.hex()}",
    }
