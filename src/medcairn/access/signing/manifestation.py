"""How an e-signature shows itself wherever its record is shown (21 CFR 11.50): name, time, meaning."""

from __future__ import annotations

from collections.abc import Iterable

from medcairn.access.signing.signatures import ESignature, Meaning
from medcairn.core.canonical import JSON
from medcairn.core.clock import instant

_SAID = {
    Meaning.AUTHORED: "Authored",
    Meaning.REVIEWED: "Reviewed",
    Meaning.APPROVED: "Approved",
    Meaning.RESPONSIBILITY: "Responsible",
}


def manifestation_lines(signature: ESignature) -> tuple[str, ...]:
    """The lines to print under a record: the same on the console and in a document."""
    signed_at = signature.signed_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return (
        f"{_SAID[signature.meaning]} by {signature.printed_name} ({signature.signer})",
        f"Signed {signed_at}, meaning: {signature.meaning.value}",
        f"Record {signature.record.short}, key {signature.public_key[:16]}",
    )


def manifestation_text(signatures: Iterable[ESignature]) -> str:
    """All signatures of a record as text, the earliest first; or a line that says that there is none."""
    ordered = sorted(signatures, key=lambda one: (one.signed_at, one.signer))
    blocks = ["\n".join(manifestation_lines(signature)) for signature in ordered]
    return "\n\n".join(blocks) if blocks else "Not signed"


def manifestation_json(signature: ESignature) -> dict[str, JSON]:
    """What a reader must see, for machines. The signature itself is :meth:`ESignature.as_json`."""
    return {
        "printed_name": signature.printed_name,
        "signer": signature.signer,
        "signed_at": instant(signature.signed_at),
        "meaning": signature.meaning.value,
        "record": signature.record,
    }


__all__ = ["manifestation_json", "manifestation_lines", "manifestation_text"]
