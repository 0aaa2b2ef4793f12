"""The client's identity towards a FHIR server: a client id and a private JSON Web Key (RFC 7517)."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from medcairn.core.errors import UsageError
from medcairn.core.files import storage_errors

Algorithm = Literal["ES384", "RS384"]
"""What SMART Backend Services asks every server to accept."""

_THUMBPRINT_MEMBERS: Final = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}
_SECRET_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_RSA_BITS: Final = 3072
_LEAST_RSA_BITS: Final = 2048
_KEY_HINT: Final = "Make one with `medcairn export --new-key FILE`"


@dataclass(frozen=True)
class SmartCredentials:
    """A registered client. The key takes no part in ``repr`` or comparison, so that it cannot be printed."""

    client_id: str
    algorithm: Algorithm
    key_id: str
    _key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(repr=False, compare=False)

    def assertion(self, *, audience: str, issued_at: datetime, life: timedelta, assertion_id: str) -> str:
        """A signed client assertion (RFC 7523, 3) for the token endpoint ``audience``."""
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": audience,
            "iat": int(issued_at.timestamp()),
            "exp": int((issued_at + life).timestamp()),
            "jti": assertion_id,
        }
        return jwt.encode(claims, self._key, algorithm=self.algorithm, headers={"kid": self.key_id})


def new_client_key(algorithm: Algorithm = "ES384") -> bytes:
    """A new private JWK as JSON bytes. Keep it in a file of mode 0600; register :func:`public_jwks` of it."""
    key: dict[str, object]
    if algorithm == "ES384":
        key = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()), as_dict=True)
    else:
        key = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, _RSA_BITS), as_dict=True)
    members = {name: value for name, value in key.items() if isinstance(value, str)}
    whole = {**members, "alg": algorithm, "use": "sig", "kid": _thumbprint(members)}
    return json.dumps(whole, sort_keys=True).encode() + b"\n"


def public_jwks(private_jwk: bytes) -> dict[str, list[dict[str, str]]]:
    """The public half of a private JWK (or of each key in a private JWKS), as the JWKS to register.

    Raises :class:`UsageError` when ``private_jwk`` holds no private key that can be used.
    """
    keys = []
    for jwk in _private_keys(private_jwk):
        public = {name: value for name, value in jwk.items() if name not in _SECRET_MEMBERS}
        keys.append(
            {**public, "alg": _algorithm(jwk), "use": "sig", "kid": jwk.get("kid") or _thumbprint(jwk)}
        )
    return {"keys": keys}


def credentials_of(client_id: str, private_jwk: bytes) -> SmartCredentials:
    """Credentials from the bytes of a private JWK, or of a JWKS whose first private key is taken.

    Raises :class:`UsageError`.
    """
    if not client_id or not client_id.isprintable():
        raise UsageError("The client id is empty or has characters that cannot be sent")
    jwk = _private_keys(private_jwk)[0]
    algorithm = _algorithm(jwk)
    key: object = None
    try:
        key = jwt.PyJWK.from_dict(jwk, algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        key = None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _LEAST_RSA_BITS:
        raise UsageError("The client's RSA key is too short", least_bits=_LEAST_RSA_BITS, bits=key.key_size)
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise UsageError("The client's key cannot be read", hint=_KEY_HINT)
    return SmartCredentials(client_id, algorithm, jwk.get("kid") or _thumbprint(jwk), key)


def load_credentials(client_id: str, key_file: Path) -> SmartCredentials:
    """Credentials whose private JWK (or JWKS) lies in ``key_file``.

    Raises :class:`UsageError` when the file is missing, holds no usable key, or may be read by others.
    """
    if not key_file.is_file():
        raise UsageError("There is no such key file", hint=_KEY_HINT, file=key_file)
    if key_file.stat().st_mode & 0o077:
        raise UsageError(
            "The key file may be read by others on this machine",
            hint="Run `chmod 600` on it, and consider the key known if others use the machine",
            file=key_file,
        )
    with storage_errors():
        data = key_file.read_bytes()
    return credentials_of(client_id, data)


def _private_keys(data: bytes) -> list[dict[str, str]]:
    """The usable private keys of a JWK or JWKS, in order; at least one."""
    value: object = None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    listed = value.get("keys") if isinstance(value, dict) and "keys" in value else [value]
    found = []
    for jwk in listed if isinstance(listed, list) else []:
        if isinstance(jwk, dict) and isinstance(jwk.get("d"), str) and jwk.get("kty") in _THUMBPRINT_MEMBERS:
            found.append({str(name): item for name, item in jwk.items() if isinstance(item, str)})
    if not found:
        raise UsageError("This holds no private JSON Web Key of kind EC or RSA", hint=_KEY_HINT)
    return found


def _algorithm(jwk: Mapping[str, str]) -> Algorithm:
    if jwk["kty"] == "RSA" and jwk.get("alg", "RS384") == "RS384":
        return "RS384"
    if jwk["kty"] == "EC" and jwk.get("crv") == "P-384" and jwk.get("alg", "ES384") == "ES384":
        return "ES384"
    raise UsageError("The client's key is not for RS384 or ES384 (curve P-384)", hint=_KEY_HINT)


def _thumbprint(jwk: Mapping[str, str]) -> str:
    """RFC 7638."""
    members = {name: jwk.get(name, "") for name in _THUMBPRINT_MEMBERS[jwk["kty"]]}
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


__all__ = [
    "Algorithm",
    "SmartCredentials",
    "credentials_of",
    "load_credentials",
    "new_client_key",
    "public_jwks",
]
