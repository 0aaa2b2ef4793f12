"""The pseudonym key and what is derived from it."""

from __future__ import annotations

import hashlib
import hmac
import importlib
import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import cast

from medcairn.core.errors import UsageError

KEY_BYTES = 32
PSEUDONYM_HEX = 32
_BLOCK_BYTES = 64
_HEX = re.compile(rb"[0-9A-Fa-f]{%d,}\Z" % (2 * KEY_BYTES))


def new_key() -> bytes:
    """A fresh random key of 32 bytes. Whoever holds it can link pseudonyms to the source's ids."""
    return secrets.token_bytes(KEY_BYTES)


def read_key(path: Path) -> bytes:
    """The key in ``path``: 32 bytes or more, raw or as hex digits.

    Raises :class:`UsageError` when the file is missing, may be read by others than its owner, or holds a
    key that is too short.
    """
    if not path.is_file():
        raise UsageError(
            "There is no pseudonym key file here",
            hint="Make one: (umask 077; openssl rand -hex 32 > FILE)",
            path=path,
        )
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError("The pseudonym key file may be read by others", hint="chmod 600 the file", path=path)
    data = path.read_bytes()
    text = data.strip()
    if _HEX.match(text) and len(text) % 2 == 0:
        return bytes.fromhex(text.decode("ascii"))
    if len(data) < KEY_BYTES or not data.strip(b"\0 \t\r\n"):
        raise UsageError(
            "The pseudonym key is too short",
            hint="It takes 32 random bytes, raw or as 64 hex digits",
            path=path,
        )
    return data


def checked_key(key: bytes) -> bytes:
    """``key`` when it is long enough. Raises :class:`UsageError` otherwise."""
    if len(key) < KEY_BYTES:
        raise UsageError("The pseudonym key is too short", hint="It takes 32 random bytes")
    return key


def key_id(key: bytes) -> str:
    """Eight hex digits that tell one key from another and say nothing about it."""
    return hmac.digest(key, b"key-id", "sha256").hex()[:8]


def _plain_sha256() -> Callable[[bytes], hashlib._Hash]:
    """CPython's own SHA-256 where there is one: for short texts it takes half the time of OpenSSL's."""
    for name in ("_sha2", "_sha256"):
        try:
            return cast("Callable[[bytes], hashlib._Hash]", importlib.import_module(name).sha256)
        except ImportError:
            continue
    return hashlib.sha256


_sha256 = _plain_sha256()


class Pseudonyms:
    """HMAC-SHA256 (RFC 2104) pseudonyms, one family per resource type.

    ``HMAC(key, "pseudonym\\0Type\\0id")``, the first 16 bytes as 32 hex digits. The inner state up to the
    type and the outer state are prepared once and copied for each id: half the time of ``hmac.digest``.
    """

    def __init__(self, key: bytes) -> None:
        block = key if len(key) <= _BLOCK_BYTES else hashlib.sha256(key).digest()
        block = block.ljust(_BLOCK_BYTES, b"\0")
        self._inner = _sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = _sha256(bytes(byte ^ 0x5C for byte in block))
        self._families: dict[str, Callable[[str], str]] = {}

    def of(self, resource_type: str, source_id: str) -> str:
        """The pseudonym of ``source_id`` of a resource type."""
        return self.family(resource_type)(source_id)

    def family(self, resource_type: str) -> Callable[[str], str]:
        """What gives the pseudonyms of one resource type."""
        known = self._families.get(resource_type)
        if known is not None:
            return known
        start = self._inner.copy()
        start.update(b"pseudonym\0" + resource_type.encode() + b"\0")
        begin, finish = start.copy, self._outer.copy

        def pseudonym(source_id: str) -> str:
            inner = begin()
            inner.update(source_id.encode("utf-8", "surrogatepass"))
            outer = finish()
            outer.update(inner.digest())
            return outer.hexdigest()[:PSEUDONYM_HEX]

        self._families[resource_type] = pseudonym
        return pseudonym


__all__ = ["KEY_BYTES", "PSEUDONYM_HEX", "Pseudonyms", "checked_key", "key_id", "new_key", "read_key"]
