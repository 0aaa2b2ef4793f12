"""References stay linked, and none dangles that did not dangle before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medcairn.deid import dangling, passes, safe_harbor
from medcairn.deid.policy import Group, Leaf, Node

from .clinic import Clinic, lost, observation, patient

BROKEN: dict[str, Any] = {"modifierExtension": [{"url": "urn:x"}]}


def encounter(source_id: str, **elements: Any) -> dict[str, Any]:
    """An encounter of p1."""
    return {"resourceType": "Encounter", "id": source_id, "subject": {"reference": "Patient/p1"}, **elements}


def references(value: Any) -> list[str]:
    """All references in a value."""
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [found for item in value.values() for found in references(item)]
    return [found for item in value for found in references(item)] if isinstance(value, list) else []


@pytest.mark.parametrize("processes", [1, 2])
def test_a_reference_to_a_resource_in_quarantine_is_taken_out_and_counted(
    clinic: Clinic, processes: int
) -> None:
    clinic.add(patient(), encounter("kept"), encounter("broken", **BROKEN))
    clinic.add(observation("a", "2020-01-01", encounter={"reference": "Encounter/kept"}))
    clinic.add(observation("b", "2020-01-01", encounter={"reference": "Encounter/broken"}))
    clinic.add(observation("c", "2020-01-01", hasMember=[
        {"reference": "Observation/a"}, {"reference": "Observation/gone"}]))  # fmt: skip
    clinic.add({"resourceType": "DiagnosticReport", "id": "r", "subject": {"reference": "Patient/p1"},
                "encounter": {"reference": "https://ehr.example.org/fhir/Encounter/broken/_history/2"},
                "result": [{"reference": "Observation/b"}]})  # fmt: skip
    out = clinic.release(processes=processes)
    a, b, c = out.resources("Observation")
    (report,) = out.resources("DiagnosticReport")
    assert "encounter" in a
    assert "encounter" not in b
    assert len(c["hasMember"]) == 2  # one of them dangles in the source already
    assert "encounter" not in report
    assert len(report["result"]) == 1
    assert lost(out)["reference_quarantined"] == 2
    assert out.report.resources_left == 6
    assert [entry["line"] for entry in out.quarantine()] == [2]


def test_another_version_that_left_keeps_the_reference(clinic: Clinic) -> None:
    clinic.add(patient(), encounter("e", **BROKEN), encounter("e"))
    clinic.add(observation("o", "2020-01-01", encounter={"reference": "Encounter/e"}))
    (found,) = clinic.release().resources("Observation")
    assert "encounter" in found


def test_records_of_a_patient_in_quarantine_lose_subject_and_dates(clinic: Clinic) -> None:
    clinic.add(patient(**BROKEN), patient("p2"), observation("o", "2020-03-01"))
    clinic.add(observation("o2", "2020-03-01", subject="p2"))
    out = clinic.release()
    one, two = out.resources("Observation")
    assert not {"subject", "effectiveDateTime"} & set(one)
    assert {"subject", "effectiveDateTime"} <= set(two)
    assert lost(out) == {"reference_quarantined": 1, "date_without_subject": 1}


def test_without_a_reference_to_quarantine_nothing_is_written_twice(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    points = dangling.pointing_at

    def noted(gone: frozenset[str], files: list[Path]) -> list[Path]:
        written.extend(path.name for path in points(gone, files))
        return []

    monkeypatch.setattr(passes, "pointing_at", noted)
    clinic.add(patient(), encounter("kept"), encounter("broken", **BROKEN), observation("a", "2020-01-01"))
    clinic.release()
    assert written == []


def test_a_bundle_is_quarantined_whole_and_counted(clinic: Clinic) -> None:
    bundle = {"resourceType": "Bundle", "id": "b", "entry": [
        {"fullUrl": "urn:uuid:1", "resource": patient("p9", name=[{"family": "Roe"}])}]}  # fmt: skip
    out = clinic.add(patient(), bundle).release()
    assert out.resources("Bundle") == []
    assert out.report.facts()["quarantined"] == {"Bundle": {"unknown_type": 1}}
    assert "Roe" not in out.text()


def test_contained_resources_and_references_to_them_stay_behind(clinic: Clinic) -> None:
    inside = observation("o", "2020-01-01", contained=[patient("c", name=[{"family": "Roe"}])],
                         performer=[{"reference": "#c"}, {"reference": "Practitioner/d"}])  # fmt: skip
    out = clinic.add(patient(), inside).release()
    (found,) = out.resources("Observation")
    assert "contained" not in found
    assert len(found["performer"]) == 1
    assert "Roe" not in out.text()


@pytest.mark.parametrize(
    "subject",
    ["Patient/p1", "http://ehr/fhir/Patient/p1", "Patient/p1/_history/3", "urn:uuid:p1"],
)
def test_every_form_of_a_subject_lies_on_the_same_axis(clinic: Clinic, subject: str) -> None:
    found = observation("o", "2020-03-01") | {"subject": {"reference": subject}}
    out = clinic.add(patient(), found, observation("o2", "2020-03-02")).release()
    one, two = out.resources("Observation")
    assert one["subject"] == two["subject"]
    assert (one["effectiveDateTime"], two["effectiveDateTime"]) == ("2020-01-01", "2020-01-02")


def test_a_declared_type_decides_what_a_uuid_means_each_time(clinic: Clinic) -> None:
    clinic.add(patient())
    for number, declared in enumerate(("Practitioner", "Organization", "Location", None)):
        who = {"reference": "urn:uuid:x1"} | ({} if declared is None else {"type": declared})
        clinic.add(observation(f"o{number}", "2020-01-01", performer=[who]))
    found = clinic.release().resources("Observation")
    targets = [[text.partition("/")[0] for text in references(each.get("performer", []))] for each in found]
    assert targets == [["Practitioner"], ["Organization"], [], []]


def test_the_policy_points_only_to_types_that_it_lists() -> None:
    """Else each reference to an unlisted type would dangle, and take a second writing to mend."""
    policy = safe_harbor()

    def targets(node: Node) -> set[str]:
        if isinstance(node, Group):
            return {found for inner in node.fields.values() for found in targets(inner)}
        assert isinstance(node, Leaf)
        return set(node.arguments) if node.kind == "Reference" else set()

    for resource in policy.resources.values():
        assert targets(Group(resource.fields)) <= set(policy.resources), resource.name
