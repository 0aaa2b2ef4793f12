"""The pseudonym key: where it comes from, how it is told from another, and what is derived from it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import importlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from medcairn.core.errors import ExternalError, TransientError, UsageError
from medcairn.core.files import storage_errors
from medcairn.deid.key_command import Ending, run_key_command

KEY_BYTES = 32
PSEUDONYM_HEX = 32
_BLOCK_BYTES = 64
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}\Z")
_TEXT = re.compile(rb"[\t\n\r -~]+\Z")
_HEX = re.compile(rb"[0-9A-Fa-f]+\Z")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}\Z")
_FORMS = "It takes 32 random bytes as 64 hex digits or base64, for example from: openssl rand -hex 32"


@dataclass(frozen=True)
class KeySource:
    """Where the key is kept: exactly one of a file, an environment variable or a command.

    ``file`` must be readable by its owner alone. ``variable`` is the name of an environment variable that
    holds hex or base64. ``command`` is a program with its arguments, run without a shell, that writes the
    key to its standard output within ``timeout_seconds``: the client of a key management service.

    Raises :class:`UsageError` when none or several are given, or when one cannot be what it should be.
    """

    file: Path | None = None
    variable: str | None = None
    command: tuple[str, ...] | None = field(default=None, repr=False)  # arguments may name a secret
    timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        given = [way for way in (self.file, self.variable, self.command) if way is not None]
        if len(given) != 1:
            raise UsageError(
                "The pseudonym key needs exactly one place to come from",
                hint="Name a key file, an environment variable or a key command",
                given=len(given),
            )
        if self.variable is not None and _VARIABLE.match(self.variable) is None:
            raise UsageError(
                "The name of the environment variable for the key is not one",
                hint="Give the variable's name, never the key itself",
            )
        if self.command is not None and (
            not self.command or not self.command[0] or any("\0" in part for part in self.command)
        ):
            raise UsageError("The key command is empty or cannot be run", hint="Name a program and arguments")
        if not 0 < self.timeout_seconds <= 3600:
            raise UsageError("The key command's time limit lies between 0 and 3600 seconds")


def load_key(source: KeySource, *, environ: Mapping[str, str] | None = None) -> bytes:
    """The key that ``source`` names; ``environ`` is the environment to look in, by default the process's.

    Text must be hex digits or base64 and is decoded wherever it comes from, so that the same key may move
    from a file to a service. What is no text counts as raw bytes, taken as they are, line end included; an
    environment variable cannot hold those.

    Raises :class:`UsageError` for a key that is missing, too short or readable by others, and for a command
    that cannot be started; :class:`ExternalError` when the command fails; :class:`TransientError` when it
    takes too long. Neither the key nor anything that the command wrote is part of an error.
    """
    if source.file is not None:
        return read_key(source.file)
    if source.variable is not None:
        value = (os.environ if environ is None else environ).get(source.variable)
        if not value:
            raise UsageError("The environment variable for the key is not set or empty", hint=_FORMS)
        return _from_text(value.encode("utf-8", "surrogateescape"))
    assert source.command is not None
    return _decoded(_from_command(source.command, source.timeout_seconds))


def read_key(path: Path) -> bytes:
    """The key in the file ``path``, raw, as hex digits or as base64.

    Raises :class:`UsageError` when the file is missing, may be read by others than its owner, or holds a
    key that is too short.
    """
    if not path.is_file():
        raise UsageError(
            "There is no pseudonym key file here",
            hint="Make one: (umask 077; openssl rand -hex 32 > FILE)",
            path=path,
        )
    with storage_errors():
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UsageError(
                "The pseudonym key file may be read by others", hint="chmod 600 the file", path=path
            )
        return _decoded(path.read_bytes())


def _from_command(command: tuple[str, ...], timeout_seconds: float) -> bytes:
    outcome = run_key_command(command, timeout_seconds)
    if outcome.ending is Ending.NOT_STARTED:
        raise UsageError(
            "The key command cannot be started", hint="Check that the program exists and may be run"
        )
    if outcome.ending is Ending.TIMED_OUT:
        raise TransientError(
            "The key command took too long and was stopped",
            hint="Run it by hand to see whether it waits for something",
            timeout_seconds=timeout_seconds,
        )
    if outcome.ending is Ending.TOO_MUCH:
        raise ExternalError("The key command wrote far more than a key", hint="It must write the key alone")
    if outcome.status != 0:
        raise ExternalError(
            "The key command failed",
            hint="Run it by hand to see its own message, which is not repeated here",
            status=outcome.status,
        )
    return outcome.output


def _decoded(data: bytes) -> bytes:
    """The key in ``data``: hex or base64 when all of it is text, else raw bytes."""
    if _TEXT.match(data):  # also a sentence: an error message on standard output is no key
        return _from_text(data)
    return checked_key(data)


def _from_text(text: bytes) -> bytes:
    """The key that hex digits or base64 (plain or URL-safe, padded or not) stand for."""
    text = text.strip()
    key: bytes | None = None
    if _HEX.match(text) and len(text) % 2 == 0:
        key = bytes.fromhex(text.decode("ascii"))
    elif _BASE64.match(text):
        bare = text.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
        with contextlib.suppress(binascii.Error):
            key = base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
    if key is None:
        raise UsageError("The pseudonym key is neither hex digits nor base64", hint=_FORMS)
    return checked_key(key)


def new_key() -> bytes:
    """A fresh random key of 32 bytes. Whoever holds it can link pseudonyms to the source's ids."""
    return secrets.token_bytes(KEY_BYTES)


def checked_key(key: bytes) -> bytes:
    """``key`` when it is long enough and not blank. Raises :class:`UsageError` otherwise."""
    if len(key) < KEY_BYTES or not key.strip(b"\0 \t\r\n"):
        raise UsageError("The pseudonym key is too short or blank", hint=_FORMS)
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


__all__ = [
    "KEY_BYTES",
    "PSEUDONYM_HEX",
    "KeySource",
    "Pseudonyms",
    "checked_key",
    "key_id",
    "load_key",
    "new_key",
    "read_key",
]
