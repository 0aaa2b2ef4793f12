"""Time-based one-time codes (RFC 6238) as authenticator apps make them: SHA-1, 6 digits, 30 seconds."""

from __future__ import annotations

import base64
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP, HOTPHashTypes

STEP_SECONDS = 30
DIGITS = 6
DRIFT_STEPS = 1
"""A phone's clock may be off by one step either way (RFC 6238, 5.2)."""
SECRET_BYTES = 20
"""As long as the hash's output (RFC 4226, 4: at least 128 bits, 160 advised)."""


def new_secret() -> bytes:
    """A random shared secret."""
    return secrets.token_bytes(SECRET_BYTES)


def step_at(moment: datetime) -> int:
    """RFC 6238's T: how many whole steps have passed since 1970."""
    return int(moment.timestamp()) // STEP_SECONDS


def code_of_step(
    secret: bytes, step: int, *, digits: int = DIGITS, algorithm: HOTPHashTypes | None = None
) -> str:
    """The code of one step. The secret may be of any length, as the RFC's own vectors have it."""
    hotp = HOTP(secret, digits, algorithm or SHA1(), enforce_key_length=False)  # noqa: S303 - RFC 6238's default
    return hotp.generate(step).decode("ascii")


def matching_step(secret: bytes, code: str, moment: datetime) -> int | None:
    """The step near ``moment`` that ``code`` belongs to, or None. All near are compared, in constant time."""
    given, found = code.encode("utf-8"), None
    now = step_at(moment)
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        if hmac.compare_digest(code_of_step(secret, step).encode("ascii"), given):
            found = step
    return found


def provisioning_uri(secret: bytes, *, name: str, issuer: str) -> str:
    """What an authenticator app reads, as text or as a QR code (the de facto ``otpauth`` form)."""
    label = quote(f"{issuer}:{name}", safe="")
    return f"otpauth://totp/{label}?" + urlencode(
        {"secret": secret_text(secret), "issuer": issuer, "digits": DIGITS, "period": STEP_SECONDS}
    )


def secret_text(secret: bytes) -> str:
    """The secret as people type it into an app: base32 without padding."""
    return base64.b32encode(secret).decode("ascii").rstrip("=")


__all__ = [
    "DIGITS",
    "STEP_SECONDS",
    "code_of_step",
    "matching_step",
    "new_secret",
    "provisioning_uri",
    "secret_text",
    "step_at",
]
