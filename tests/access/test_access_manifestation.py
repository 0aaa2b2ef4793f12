"""How a signature shows itself: name, time and meaning, alike on console, in JSON and in documents."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from access.conftest import ADA, MovingClock
from medcairn.access import (
    ESignature,
    Meaning,
    People,
    manifestation_json,
    manifestation_lines,
    manifestation_text,
)
from medcairn.core.digests import digest_bytes

RECORD = digest_bytes(b"the record")


@pytest.fixture
def signature(people: People, moving: MovingClock) -> ESignature:
    return people.sign("ada", ADA, record=RECORD, meaning=Meaning.APPROVED, clock=moving)


@pytest.mark.part11("11.50(a)(1)", "11.50(a)(2)", "11.50(a)(3)", "11.50(b)")
def test_the_lines_under_a_record(signature: ESignature) -> None:
    assert manifestation_lines(signature) == (
        "Approved by Ada Okafor (ada)",
        "Signed 2026-03-01 12:00:00 UTC, meaning: approved",
        f"Record {RECORD.short}, key {signature.public_key[:16]}",
    )


@pytest.mark.part11("11.50(b)", "11.10(b)")
def test_the_same_for_machines(signature: ESignature) -> None:
    assert manifestation_json(signature) == {
        "printed_name": "Ada Okafor",
        "signer": "ada",
        "signed_at": "2026-03-01T12:00:00.000000Z",
        "meaning": "approved",
        "record": RECORD,
    }
    assert ESignature.from_json(signature.as_json()) == signature


@pytest.mark.part11("11.50(a)(3)")
@pytest.mark.parametrize("meaning", Meaning)
def test_every_meaning_is_said(signature: ESignature, meaning: Meaning) -> None:
    said, dated, _ = manifestation_lines(replace(signature, meaning=meaning))
    assert said.split(" by ")[0] and meaning.value in dated


def test_several_in_the_order_of_their_times(signature: ESignature) -> None:
    earlier = replace(signature, signed_at=signature.signed_at - timedelta(days=1), meaning=Meaning.REVIEWED)
    text = manifestation_text([signature, earlier])
    assert text.index("Reviewed by") < text.index("Approved by")
    assert manifestation_text([]) == "Not signed"


@pytest.mark.part11("11.200(b)")
def test_a_signature_has_no_biometric_component() -> None:
    """What somebody gives is a name, a password and a one-time code; nothing of their body."""
    from medcairn.access.authentication import Given

    assert set(Given.__dataclass_fields__) == {"name", "password", "code"}
    assert ADA not in repr(Given("ada", ADA))
