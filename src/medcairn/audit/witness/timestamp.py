"""A witness that is a clock: an RFC 3161 time-stamping service signs that a checkpoint existed, and when.

The service sees a hash and nothing else. Its tokens are kept beside the notes in a folder; they are checked
against the roots that the reader trusts, so the folder need not be trusted. A stamped checkpoint also dates
the entries: those under it cannot be younger, those after it cannot be older.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from cryptography import x509

from medcairn.audit.seals import SignedNote
from medcairn.audit.witness.witness import Attestation, LeafHashes
from medcairn.core.errors import ExternalError, IntegrityError, TransientError, UsageError
from medcairn.core.files import storage_errors, write_file

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"
_TIMEOUT_SECONDS = 30.0
_LARGEST_REPLY = 1 << 20


class TimestampWitness:
    """Asks the service at ``url`` and keeps ``<tree size>-<hash>.note`` and ``.tsr`` in ``folder``.

    ``roots`` is a PEM file of the authorities that the service's certificate must lead to.
    """

    def __init__(self, url: str, folder: Path, *, roots: Path, client: httpx.Client | None = None) -> None:
        self._url, self._folder = url, folder
        self._roots = _certificates(roots)
        self._client = client

    def publish(self, note: str, tree_size: int, leaf_hashes: LeafHashes) -> None:
        name = f"{tree_size:020d}-{hashlib.sha256(note.encode()).hexdigest()[:16]}"
        token = self._folder / f"{name}.tsr"
        if token.exists():
            return
        reply = self._asked(note.encode())
        with storage_errors():
            self._folder.mkdir(parents=True, exist_ok=True)
        write_file(self._folder / f"{name}.note", note.encode())
        write_file(token, reply)

    def attestation(self) -> Attestation:
        notes, stamped, broken = [], [], []
        for path in sorted(self._folder.glob("*.note")):
            note = path.read_bytes()
            notes.append(note.decode("utf-8", "replace"))
            token = path.with_suffix(".tsr")
            moment = self._stamp(token.read_bytes(), note) if token.is_file() else None
            size = _tree_size(notes[-1])
            if moment is None or size is None:
                broken.append(token.name)
            else:
                stamped.append((size, moment))
        return Attestation(self._folder.name, tuple(notes), stamped=tuple(stamped), broken=tuple(broken))

    def _asked(self, message: bytes) -> bytes:
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

        builder = TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256)
        request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
        reply = self._posted(request.as_bytes())
        if self._stamp(reply, message, nonce=request.nonce) is None:
            raise ExternalError(
                "The time-stamping service's answer does not hold",
                hint="Check that the roots are those of this service",
            )
        return reply

    def _posted(self, query: bytes) -> bytes:
        client = self._client or httpx.Client(timeout=_TIMEOUT_SECONDS)
        reply, refused = b"", False
        try:
            answer = client.post(self._url, content=query, headers={"Content-Type": _QUERY, "Accept": _REPLY})
            refused = answer.status_code != httpx.codes.OK or len(answer.content) > _LARGEST_REPLY
            reply = answer.content
        except (httpx.HTTPError, httpx.InvalidURL):
            refused = True
        finally:
            if self._client is None:
                client.close()
        if refused:
            raise TransientError(
                "The time-stamping service did not answer", hint="Check its address, and publish again"
            )
        return reply

    def _stamp(self, reply: bytes, message: bytes, *, nonce: int | None = None) -> datetime | None:
        """When the service saw ``message``; None when the token is not one over it under the roots."""
        from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

        try:
            response: TimeStampResponse = decode_timestamp_response(reply)
            verifier = VerifierBuilder(roots=list(self._roots), nonce=nonce).build()
            verifier.verify_message(response, message)
            return response.tst_info.gen_time
        except (VerificationError, ValueError):
            return None


def _tree_size(note: str) -> int | None:
    try:
        return SignedNote.parsed(note).checkpoint.tree_size
    except IntegrityError:
        return None


def _certificates(path: Path) -> list[x509.Certificate]:
    found: list[x509.Certificate] = []
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        found = []
    if not found:
        raise UsageError(
            "The time-stamping service's roots cannot be read", hint="Give a PEM file", file=path
        )
    return found


__all__ = ["TimestampWitness"]
