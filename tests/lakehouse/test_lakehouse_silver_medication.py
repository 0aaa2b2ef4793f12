"""Silver medications: four resource types in one shape."""

from __future__ import annotations

from .lake import Lake
from .resources import (
    RXNORM,
    concept,
    medication,
    quantity,
)


def test_the_four_medication_resources_share_a_table(lake: Lake) -> None:
    period = {"start": "2024-02-01", "end": "2024-03-01"}
    _, report = lake.build(
        medication(
            "MedicationRequest",
            (RXNORM, "860975"),
            intent="order",
            authoredOn="2024-01-01T00:00:00Z",
            dispenseRequest={
                "validityPeriod": {"end": "2024-03-31"},
                "numberOfRepeatsAllowed": 2,
                "quantity": quantity(60, "{tbl}"),
                "expectedSupplyDuration": quantity(2, "wk"),
            },
        ),
        medication(
            "MedicationStatement",
            (RXNORM, "6809"),
            id="m2",
            effectivePeriod=period,
            dateAsserted="2024-02-05",
        ),
        medication(
            "MedicationDispense",
            (RXNORM, "6809"),
            id="m3",
            whenPrepared="2024-02-06",
            whenHandedOver="2024-02-07",
            daysSupply={"value": 30},
            quantity={"value": 90, "unit": "tablet"},
        ),
        medication(
            "MedicationAdministration",
            (RXNORM, "6809"),
            id="m4",
            effectivePeriod=period,
            dosage={"dose": quantity(500, "mg")},
        ),
    )
    columns = (
        "resource_type",
        "start_time",
        "end_time",
        "available_time",
        "days_supply",
        "quantity",
        "quantity_unit",
    )
    found = [tuple(str(row[name])[:10] for name in columns) for row in lake.rows("medication")]
    assert found == [
        ("Medication", "2024-01-01", "2024-03-31", "2024-01-01", "14.0", "60.0", "{tbl}"),
        ("Medication", "2024-02-01", "2024-03-01", "2024-02-05", "None", "None", "None"),
        ("Medication", "2024-02-01", "2024-03-01", "2024-03-01", "None", "500.0", "mg"),
        ("Medication", "2024-02-07", "None", "2024-02-07", "30.0", "90.0", "tablet"),
    ]
    rows = lake.rows("medication")
    assert [row["resource_type"] for row in rows] == [
        "MedicationRequest",
        "MedicationStatement",
        "MedicationAdministration",
        "MedicationDispense",
    ]
    assert (rows[0]["refills"], rows[0]["intent"], rows[0]["authored_time"][:4]) == (2, "order", "2024")
    assert all("metformin" in row["concepts"] for row in rows)
    assert report.quarantined == {}


def test_a_medication_by_reference_has_the_codings_of_its_medication(lake: Lake) -> None:
    ingredient = {"itemCodeableConcept": concept((RXNORM, "6809"))}
    _, report = lake.build(
        {"resourceType": "Medication", "id": "coded", "code": concept((RXNORM, "860975"))},
        {"resourceType": "Medication", "id": "mixed", "ingredient": [ingredient]},
        medication("MedicationRequest", id="m1", medicationReference={"reference": "Medication/coded"}),
        medication("MedicationRequest", id="m2", medicationReference={"reference": "Medication/mixed"}),
        medication("MedicationRequest", id="m3", medicationReference={"reference": "Medication/none"}),
    )
    rows = {row["medication_id"]: row for row in lake.rows("medication")}
    assert {id: row["code"] for id, row in rows.items()} == {"m1": "860975", "m2": "6809", "m3": None}
    assert "metformin" in rows["m1"]["concepts"] and "metformin" in rows["m2"]["concepts"]
    assert report.quarantined == {"medication_by_reference": 1}
    assert report.only_in_bronze == ()


def test_a_contained_medication_is_found(lake: Lake) -> None:
    contained = {"resourceType": "Medication", "id": "x", "code": concept((RXNORM, "860975"))}
    _, report = lake.build(
        medication("MedicationRequest", contained=[contained], medicationReference={"reference": "#x"})
    )
    assert lake.row("medication")["code"] == "860975"
    assert report.quarantined == {}


def test_an_order_not_to_give_is_no_medication(lake: Lake) -> None:
    _, report = lake.build(medication("MedicationRequest", (RXNORM, "860975"), doNotPerform=True))
    assert lake.rows("medication") == []
    assert report.quarantined == {"prohibited": 1}
