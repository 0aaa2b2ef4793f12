"""Silver observations: one row a value, with what it comes to."""

from __future__ import annotations

from typing import Any

import pytest

from .lake import Lake
from .resources import (
    LOINC,
    SNOMED,
    concept,
    observation,
    quantity,
)

CURRENT = {"version": 1, "superseded_time": None, "current": True}
"""Of a resource that is known in one version."""


def coding(system: str, code: str) -> dict[str, str]:
    return {"system": system, "code": code}


def test_observation(lake: Lake) -> None:
    lake.build(
        observation(
            "2345-7",
            category=[concept(("http://x", "laboratory"))],
            encounter={"reference": "Encounter/e1"},
            issued="2024-01-10T09:30:00Z",
            valueQuantity=quantity(99, "mg/dL"),
            referenceRange=[{"low": {"value": 70}, "high": {"value": 100}}],
            interpretation=[concept(("http://x", "N"))],
        )
    )
    assert lake.row("observation") == {
        "subject_id": "p1",
        "observation_id": "o1",
        "component": -1,
        "encounter_id": "e1",
        "status": "final",
        "category": "laboratory",
        "system": LOINC,
        "code": "2345-7",
        "codings": [coding(LOINC, "2345-7")],
        "concept": "glucose",
        "effective_time": "2024-01-10T08:00:00+00:00",
        "available_time": "2024-01-10T09:30:00+00:00",
        "value_type": "Quantity",
        "numeric_value": 99.0,
        "comparator": None,
        "unit": "mg/dL",
        "canonical_value": 99.0,
        "canonical_unit": "mg/dL",
        "value_system": None,
        "value_code": None,
        "value_boolean": None,
        "value_time": None,
        "reference_low": 70.0,
        "reference_high": 100.0,
        "interpretation": "N",
        "data_absent_reason": None,
        **CURRENT,
    }


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"valueQuantity": {"value": 3}}, {"value_type": "Quantity", "numeric_value": 3.0, "unit": None}),
        ({"valueInteger": 4}, {"value_type": "integer", "numeric_value": 4.0}),
        ({"valueBoolean": False}, {"value_type": "boolean", "value_boolean": False}),
        (
            {"valueCodeableConcept": concept((SNOMED, "266919005"))},
            {"value_type": "CodeableConcept", "value_system": SNOMED, "value_code": "266919005"},
        ),
        (
            {"valueDateTime": "2024-01-02"},
            {"value_type": "dateTime", "value_time": "2024-01-02T00:00:00+00:00"},
        ),
        ({"valueRange": {"low": quantity(1, "mg")}}, {"value_type": "Range", "numeric_value": None}),
        ({"valueRatio": {"numerator": quantity(1, "mg")}}, {"value_type": "Ratio"}),
        ({"valuePeriod": {"start": "2024"}}, {"value_type": "Period"}),
        ({"valueTime": "10:00:00"}, {"value_type": "time"}),
        (
            {"dataAbsentReason": concept(("http://x", "unknown"))},
            {"value_type": None, "data_absent_reason": "unknown"},
        ),
    ],
)
def test_every_kind_of_value(lake: Lake, members: dict[str, Any], expected: dict[str, Any]) -> None:
    lake.build(observation("1-1", **members))
    row = lake.row("observation")
    assert {name: row[name] for name in expected} == expected
    assert row["canonical_value"] is None


@pytest.mark.parametrize("panel", ["85354-9", "55284-4"])
def test_blood_pressure_comes_out_of_components(lake: Lake, panel: str) -> None:
    parts = [("8480-6", 120.0), ("8462-4", 80.0)]
    components = [
        {"code": concept((LOINC, code)), "valueQuantity": quantity(value, "mm[Hg]")} for code, value in parts
    ]
    lake.build(observation(panel, component=components))
    assert [(r["component"], r["concept"], r["canonical_value"]) for r in lake.rows("observation")] == [
        (0, "systolic_bp", 120.0),
        (1, "diastolic_bp", 80.0),
    ]


def test_a_component_has_its_own_range_interpretation_and_reason(lake: Lake) -> None:
    component = {
        "code": concept((LOINC, "8480-6")),
        "referenceRange": [{"high": {"value": 140}}],
        "interpretation": [concept(("http://x", "H"))],
        "dataAbsentReason": concept(("http://x", "error")),
    }
    lake.build(observation("85354-9", component=[component]))
    row = lake.row("observation")
    assert (row["component"], row["reference_high"], row["interpretation"], row["data_absent_reason"]) == (
        0,
        140.0,
        "H",
        "error",
    )


def test_a_panel_with_a_value_of_its_own_keeps_both(lake: Lake) -> None:
    component = {"code": concept((LOINC, "8480-6")), "valueQuantity": quantity(120, "mm[Hg]")}
    lake.build(observation("85354-9", valueCodeableConcept=concept((SNOMED, "1")), component=[component]))
    assert [(r["component"], r["value_code"]) for r in lake.rows("observation")] == [(-1, "1"), (0, None)]


def test_units_of_one_measurement_meet(lake: Lake) -> None:
    pairs = {
        "2345-7": ((99.0, "mg/dL"), (5.495, "mmol/L")),
        "2160-0": ((1.0, "mg/dL"), (88.4, "umol/L")),
        "8310-5": ((37.0, "Cel"), (98.6, "[degF]")),
        "29463-7": ((70.3, "kg"), (155.0, "[lb_av]")),
        "33914-3": ((61.5, "mL/min/{1.73_m2}"), (61.5, "mL/min")),
        "6690-2": ((7.2, "10*3/uL"), (7200.0, "/uL")),
    }
    for code, pair in pairs.items():
        lake.write(
            *(observation(code, id=f"{code}-{n}", valueQuantity=quantity(*q)) for n, q in enumerate(pair))
        )
    lake.build()
    rows = {row["observation_id"]: row for row in lake.rows("observation")}
    for code, (one, other) in pairs.items():
        first, second = rows[f"{code}-0"], rows[f"{code}-1"]
        assert first["canonical_value"] == second["canonical_value"] == one[0]
        assert first["canonical_unit"] == second["canonical_unit"] == one[1]
        assert (second["numeric_value"], second["unit"]) == other


def test_the_printed_unit_serves_when_the_coded_one_is_unknown(lake: Lake) -> None:
    lake.build(observation("2345-7", valueQuantity={"value": 99, "unit": "mg/dL", "code": "local"}))
    row = lake.row("observation")
    assert (row["canonical_value"], row["unit"]) == (99.0, "local")


def test_several_codes_of_one_result_are_one_measurement(lake: Lake) -> None:
    lake.build(observation("1-1", "2345-7", "2339-0", valueQuantity=quantity(99, "mg/dL")))
    row = lake.row("observation")
    assert (row["code"], row["concept"], row["canonical_value"]) == ("2345-7", "glucose", 99.0)
    assert [c["code"] for c in row["codings"]] == ["1-1", "2345-7", "2339-0"]


def test_a_coded_answer_counts_what_its_concept_says(lake: Lake) -> None:
    lake.build(observation("72166-2", valueCodeableConcept=concept((SNOMED, "266919005"))))
    row = lake.row("observation")
    assert (row["concept"], row["canonical_value"], row["numeric_value"]) == ("smoking_status", 0.0, None)


def test_entered_in_error_stays_with_its_status(lake: Lake) -> None:
    lake.build(observation("2345-7", status="entered-in-error", valueQuantity=quantity(99, "mg/dL")))
    assert lake.row("observation")["status"] == "entered-in-error"


def test_a_result_is_available_when_issued_and_not_before_it_held(lake: Lake) -> None:
    period = {"effectiveDateTime": None, "effectivePeriod": {"start": "2024-01-10", "end": "2024-01-11"}}
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"issued": "2024-01-12T00:00:00Z"}, "2024-01-10T08", "2024-01-12T00"),
        ({}, "2024-01-10T08", "2024-01-10T08"),
        ({"issued": "2024-01-09T00:00:00Z"}, "2024-01-10T08", "2024-01-10T08"),
        (period, "2024-01-10T00", "2024-01-11T00"),
        (
            {"effectiveDateTime": None, "effectiveInstant": "2024-01-10T08:00:00Z"},
            "2024-01-10T08",
            "2024-01-10T08",
        ),
    ]
    lake.build(*(observation("2345-7", id=f"o{n}", **members) for n, (members, _, _) in enumerate(cases)))
    rows = {row["observation_id"]: row for row in lake.rows("observation")}
    for n, (_, effective, available) in enumerate(cases):
        assert rows[f"o{n}"]["effective_time"].startswith(effective)
        assert rows[f"o{n}"]["available_time"].startswith(available)


def test_a_value_that_cannot_be_used_is_kept_without_canonical_value_and_quarantined(lake: Lake) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        (quantity(99000, "mg/dL"), "implausible_value"),
        (quantity(-1, "mg/dL"), "implausible_value"),
        (quantity(5, "mm[Hg]"), "other_dimension"),
        (quantity(5, "foo"), "unknown_unit"),
        ({"value": 99}, "no_unit"),
        ({**quantity(60, "mg/dL"), "comparator": ">"}, "censored_value"),
    ]
    values = [observation("2345-7", id=f"o{n}", valueQuantity=value) for n, (value, _) in enumerate(cases)]
    _, report = lake.build(*values)
    for row, (value, _) in zip(lake.rows("observation"), cases, strict=True):
        assert row["numeric_value"] == value["value"]
        assert row["comparator"] == value.get("comparator")
        assert row["canonical_value"] is row["canonical_unit"] is None
    assert lake.quarantine() == sorted(
        ("observation", reason, f"o{n}", 1, -1) for n, (_, reason) in enumerate(cases)
    )
    assert report.quarantined == {reason: 2 if reason == "implausible_value" else 1 for _, reason in cases}
    assert report.unusable == {"observation": report.quarantined}


def test_an_unusable_component_is_located(lake: Lake) -> None:
    component = {"code": concept((LOINC, "8480-6")), "valueQuantity": quantity(9999, "mm[Hg]")}
    lake.build(observation("85354-9", component=[component, component]))
    assert [(where, place) for _, where, _, _, place in lake.quarantine()] == [
        ("implausible_value", 0),
        ("implausible_value", 1),
    ]


def test_times_that_are_none_are_counted_once_a_resource(lake: Lake) -> None:
    component = {"code": concept((LOINC, "8480-6"))}
    lake.build(observation("85354-9", effectiveDateTime="2024-01", component=[component, component]))
    assert {row["effective_time"] for row in lake.rows("observation")} == {None}
    assert lake.quarantine() == [("observation", "partial_time", "o1", 1, None)]
