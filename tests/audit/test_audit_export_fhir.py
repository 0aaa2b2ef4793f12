"""The ledger in FHIR R4: each resource is checked against the official R4 table and parsed by R4B classes."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.provenance import Provenance

from audit.r4_check import problems
from audit.trail_history import APPROVED, ref, study
from medcairn.audit import EventType
from medcairn.audit.export import write_fhir
from medcairn.audit.export.fhir import audit_event, bundles, provenance
from medcairn.audit.merkle import leaf_hash
from medcairn.core.canonical import canonical_json

HISTORY = study().events
ORIGIN = "medcairn/demo"


def plain(value: object) -> Any:
    return json.loads(canonical_json(value))  # type: ignore[arg-type]


@pytest.mark.parametrize("stored", HISTORY, ids=lambda stored: f"{stored.index}-{stored.event.type.value}")
def test_every_entry_is_a_valid_audit_event(stored: Any) -> None:
    made = plain(audit_event(stored, ORIGIN))
    assert problems(made) == []
    parsed = AuditEvent.model_validate(made)
    assert plain(json.loads(parsed.model_dump_json())) == {
        **made,
        "recorded": made["recorded"].replace(".000000Z", "Z"),
    }


def test_what_made_or_signed_something_is_a_valid_provenance() -> None:
    made = [plain(found) for stored in HISTORY if (found := provenance(stored)) is not None]
    assert len(made) == sum(bool(stored.event.outputs) for stored in HISTORY) + 2 + 6
    for found in made:
        assert problems(found) == []
        Provenance.model_validate(found)


def test_every_type_of_event_is_valid_whatever_its_record_lacks() -> None:
    made = study(0)
    for kind in EventType:
        if kind not in (EventType.PREDICTION_MADE, EventType.RECORD_SIGNED):
            made.add(kind, actor="person:ada")
    for stored in made.events:
        assert problems(plain(audit_event(stored, ORIGIN))) == []


def test_the_check_itself_finds_what_is_wrong() -> None:
    good = plain(audit_event(HISTORY[3], ORIGIN))
    for change, found in [
        ({"outcome": "1"}, "code outside"),
        ({"recorded": "2026-01-01"}, "no instant"),
        ({"agent": good["agent"][0]}, "wrong shape"),
        ({"colour": "red"}, "no element"),
    ]:
        assert any(found in problem for problem in problems({**good, **change}))
    del good["source"]
    assert problems(good) == ["AuditEvent.source is missing"]


@pytest.mark.parametrize(
    ("kind", "outcome", "action"),
    [
        (EventType.STAGE_FINISHED, "0", "C"),
        (EventType.STAGE_FAILED, "8", "E"),
        (EventType.GATE_REFUSED, "4", "E"),
        (EventType.MODEL_TRANSITIONED, "0", "U"),
        (EventType.PREDICTION_MADE, "0", "C"),
        (EventType.TRAIL_VERIFIED, "0", "R"),
    ],
)
def test_outcome_and_action(kind: EventType, outcome: str, action: str) -> None:
    stored = next(stored for stored in HISTORY if stored.event.type is kind)
    made = audit_event(stored, ORIGIN)
    assert (made["outcome"], made["action"]) == (outcome, action)


def test_an_audit_event_names_the_entry_its_leaf_and_its_artifacts() -> None:
    stored = next(s for s in HISTORY if s.event.stage == "deid" and s.event.type is EventType.STAGE_FINISHED)
    made = plain(audit_event(stored, ORIGIN))
    entry, used, left = made["entity"]
    details = {detail["type"]: detail["valueString"] for detail in entry["detail"]}
    assert details["leaf_hash"] == leaf_hash(stored.event.as_leaf()).hex()
    assert details["entry"] == str(stored.index)
    assert (used["name"], used["lifecycle"]["display"]) == ("export", "Access / Use")
    assert (left["name"], left["lifecycle"]["display"]) == ("deid", "De-identification")
    uri = left["what"]["identifier"]["value"]
    assert uri.startswith("ni:///sha-256;")
    raw = base64.urlsafe_b64decode(uri.removeprefix("ni:///sha-256;") + "=")
    assert raw.hex() == ref("deid").digest.hex


def test_a_signature_travels_whole() -> None:
    stored = next(s for s in HISTORY if s.event.type is EventType.RECORD_SIGNED)
    made = plain(provenance(stored))
    (signature,) = made["signature"]
    assert json.loads(base64.b64decode(signature["data"])) == plain(stored.event.record["signature"])
    assert signature["type"][0]["code"] == "1.2.840.10065.1.12.1.13"  # reviewed
    assert signature["who"]["display"] == "Clara <Reviewer> & Co"
    assert len(made["target"]) == 4
    assert made["target"][0]["identifier"]["value"].endswith(
        base64.urlsafe_b64encode(bytes.fromhex(APPROVED.hex)).rstrip(b"=").decode()
    )


def test_bundles_are_whole_valid_and_the_same_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "RESOURCES_IN_A_BUNDLE", 12)
    counts = write_fhir(tmp_path / "one", lambda: HISTORY, origin=ORIGIN)
    write_fhir(tmp_path / "two", lambda: HISTORY, origin=ORIGIN)
    files = sorted((tmp_path / "one").iterdir())
    assert len(files) == sum(-(-count // 12) for count in counts.values())
    assert files[0].name == "AuditEvent.0001.json"
    assert files[-1].name.startswith("Provenance.")
    seen: set[str] = set()
    for path in files:
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
        value = json.loads(path.read_bytes())
        assert problems(value) == []
        parsed = Bundle.model_validate(value)
        assert parsed.type == "collection"
        seen |= {str(entry["fullUrl"]) for entry in value["entry"]}
    assert counts["AuditEvent"] == len(HISTORY)
    assert len(seen) == sum(counts.values())


@pytest.mark.parametrize("signature", [None, "text", {}, {"record": 5}, {"printed_name": "Ada"}])
def test_a_signature_of_another_form_is_an_event_like_any_other(signature: Any) -> None:
    made = study(0)
    index = made.add(EventType.RECORD_SIGNED, actor="person:ada", inputs=[ref("model")], signature=signature)
    stored = made.events[index]
    assert problems(plain(audit_event(stored, ORIGIN))) == []
    assert provenance(stored) is None
