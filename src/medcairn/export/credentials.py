"""The client's identity towards a FHIR server: a client id and a private JSON Web Key (RFC 7517).

A client secret (RFC 6749, 2.3.1) stands in for the key where a server knows nothing better, and only when a
file with one is named.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote_plus, urlsplit

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
_SECRET: Final = re.compile(r"[\x20-\x7e]{1,1024}\Z")


@dataclass(frozen=True)
class SmartCredentials:
    """A registered client. The key takes no part in ``repr`` or comparison, so that it cannot be printed.

    ``jku`` is the address of the client's public JWKS, for servers that are registered with one.
    """

    client_id: str
    algorithm: Algorithm
    key_id: str
    _key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(repr=False, compare=False)
    jku: str | None = None

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
        headers = {"kid": self.key_id, **({"jku": self.jku} if self.jku else {})}
        return jwt.encode(claims, self._key, algorithm=self.algorithm, headers=headers)


@dataclass(frozen=True)
class SecretCredentials:
    """A client with a secret, sent as ``client_secret_basic``. The secret cannot be printed."""

    client_id: str
    _secret: str = field(repr=False, compare=False)

    def basic(self) -> str:
        """The value of the ``Authorization`` header; both parts are form-encoded first."""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self._secret)}"
        return "Basic " + b64encode(pair.encode()).decode()


Credentials = SmartCredentials | SecretCredentials
"""How a client proves who it is."""


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


def credentials_of(
    client_id: str, private_jwk: bytes, *, key_id: str | None = None, jku: str | None = None
) -> SmartCredentials:
    """Credentials from the bytes of a private JWK, or of a JWKS.

    Of several private keys the one with the ``kid`` that ``key_id`` names is taken, else the first. ``jku``
    is the https address of the public JWKS (http on this machine alone).

    Raises :class:`UsageError`.
    """
    _check_client_id(client_id)
    if jku is not None:
        _check_jku(jku)
    jwk = _chosen(_private_keys(private_jwk), key_id)
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
    return SmartCredentials(client_id, algorithm, jwk.get("kid") or _thumbprint(jwk), key, jku)


def load_credentials(
    client_id: str, key_file: Path, *, key_id: str | None = None, jku: str | None = None
) -> SmartCredentials:
    """Credentials whose private JWK (or JWKS) lies in ``key_file``; see :func:`credentials_of`.

    Raises :class:`UsageError` when the file is missing, holds no usable key, or may be read by others.
    """
    data = _read_private(
        key_file, "There is no such key file", "The key file may be read by others", _KEY_HINT
    )
    return credentials_of(client_id, data, key_id=key_id, jku=jku)


def load_secret(client_id: str, secret_file: Path) -> SecretCredentials:
    """Credentials whose client secret is the one line of ``secret_file``.

    Raises :class:`UsageError` when the file is missing, holds no secret, or may be read by others.
    """
    _check_client_id(client_id)
    hint = "Put the secret into a file of mode 0600; better, register a key instead"
    data = _read_private(
        secret_file, "There is no such secret file", "The secret file may be read by others", hint
    )
    try:
        text = data.decode("ascii").rstrip("\r\n")
    except UnicodeDecodeError:
        text = ""
    if not _SECRET.match(text):
        raise UsageError("The secret file holds no line of printable characters", hint=hint, file=secret_file)
    return SecretCredentials(client_id, text)


def _read_private(file: Path, missing: str, exposed: str, hint: str) -> bytes:
    if not file.is_file():
        raise UsageError(missing, hint=hint, file=file)
    if file.stat().st_mode & 0o077:
        raise UsageError(
            exposed,
            hint="Run `chmod 600` on it, and consider it known if others use the machine",
            file=file,
        )
    with storage_errors():
        return file.read_bytes()


def _check_client_id(client_id: str) -> None:
    if not client_id or not client_id.isprintable():
        raise UsageError("The client id is empty or has characters that cannot be sent")


def _check_jku(jku: str) -> None:
    try:
        parts = urlsplit(jku)
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        usable = bool(parts.hostname) and "@" not in parts.netloc and (parts.scheme == "https" or local)
    except ValueError:
        usable = False
    if not usable or not jku.isascii() or not jku.isprintable() or " " in jku:
        raise UsageError("The address of the client's public keys is no https URL")


def _chosen(keys: list[dict[str, str]], key_id: str | None) -> dict[str, str]:
    if key_id is None:
        return keys[0]
    found = next((jwk for jwk in keys if (jwk.get("kid") or _thumbprint(jwk)) == key_id), None)
    if found is None:
        raise UsageError("The key file has no private key of that id", keys=len(keys))
    return found


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
    "Credentials",
    "SecretCredentials",
    "SmartCredentials",
    "credentials_of",
    "load_credentials",
    "load_secret",
    "new_client_key",
    "public_jwks",
]
