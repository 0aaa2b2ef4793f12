"""Codes on paper that let in once each when the device with the one-time codes is lost."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

HOW_MANY = 8
_BYTES = 10
"""80 bits: too many to try, so that a fast hash is enough to keep them."""
_FORM = re.compile(r"[A-Z2-7]{4}(-[A-Z2-7]{4}){3}\Z")


def new_recovery_codes() -> tuple[str, ...]:
    """Fresh codes of the form ABCD-EFGH-IJKL-MNOP."""
    return tuple(_new() for _ in range(HOW_MANY))


def _new() -> str:
    text = base64.b32encode(secrets.token_bytes(_BYTES)).decode("ascii")
    return "-".join(text[start : start + 4] for start in range(0, 16, 4))


def recovery_digest(code: str) -> str | None:
    """What is kept of ``code``; None when it has not the form of one."""
    text = code.strip().upper()
    return hashlib.sha256(text.encode("ascii")).hexdigest() if _FORM.match(text) else None


__all__ = ["HOW_MANY", "new_recovery_codes", "recovery_digest"]
