"""The Provenance of a context, parsed back as R4B and R5 and checked against the R4 definitions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from fhir.resources.provenance import Provenance as ProvenanceR5
from fhir.resources.R4B.provenance import Provenance as ProvenanceR4B
from hypothesis import given
from hypothesis import strategies as st

from audit.r4_check import problems
from medcairn.audit.export.fhir.coding import digest_uri
from medcairn.core.digests import Digest
from medcairn.tracking import ContextError, HealthcareRunContext
from tracking.contexts import DIGEST, NOON, full_context

PARSERS: dict[str, Any] = {"R4": ProvenanceR4B, "R5": ProvenanceR5}
VERSIONS: list[Literal["R4", "R5"]] = ["R4", "R5"]


def made(context: HealthcareRunContext, **given: Any) -> dict[str, Any]:
    return dict(json.loads(json.dumps(context.to_fhir_provenance(clock=NOON, **given))))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("context", [full_context(), HealthcareRunContext("m", "1")], ids=["full", "least"])
def test_it_is_valid_and_comes_back_equal(
    context: HealthcareRunContext, version: Literal["R4", "R5"]
) -> None:
    found = made(context, fhir_version=version)
    parsed = PARSERS[version].model_validate(found)
    back = json.loads(parsed.model_dump_json())
    assert back == {**found, "recorded": found["recorded"].replace(".000000Z", "Z")}
    assert problems(found) == []


def test_every_part_says_what_it_should() -> None:
    found = made(full_context())
    assert found["recorded"] == "2026-01-22T10:30:00.000000Z"
    assert found["target"] == [{"display": "Output of the model sepsis-predictor 2.1.0"}]
    (activity,) = found["activity"]["coding"]
    assert activity["system"] == "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
    assert activity["code"] == "DERIVE"
    assert found["activity"]["text"] == "Early detection of sepsis"
    (agent,) = found["agent"]
    assert agent["type"]["coding"][0]["code"] == "performer"
    assert agent["who"]["display"] == "sepsis-predictor 2.1.0"
    assert agent["onBehalfOf"] == {"display": "Example Hospital"}
    assert found["policy"] == [
        "urn:healthchain:datasource:icu%20warehouse",
        "urn:healthchain:datasource:icu-gold",
        "urn:healthchain:regulatory:HIPAA",
        "urn:healthchain:regulatory:IRB%2012%2F3",
    ]
    plain, digested = found["entity"]
    assert [entity["role"] for entity in found["entity"]] == ["source", "source"]
    assert plain["what"]["identifier"]["value"] == "urn:healthchain:datasource:icu%20warehouse"
    assert digested["what"]["identifier"]["value"] == digest_uri(Digest(DIGEST))
    assert digested["what"]["display"] == "icu-gold"


def test_without_a_time_of_its_own_the_clock_tells_it() -> None:
    assert made(HealthcareRunContext("m", "1"))["recorded"] == "2026-03-04T12:00:00.000000Z"


def test_the_namespace_is_a_setting() -> None:
    found = made(full_context(), urn_namespace="example-hospital")
    assert all(urn.startswith("urn:example-hospital:") for urn in found["policy"])


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("RiskAssessment/r1", {"reference": "RiskAssessment/r1"}),
        ("Observation/o1/_history/2", {"reference": "Observation/o1/_history/2"}),
        ("https://fhir.example.org/Observation/1", {"reference": "https://fhir.example.org/Observation/1"}),
        ("urn:uuid:8f1f2a0e-0c5b-4b8f-9d59-3d1a6e1c2b11", None),
        (
            "models:/sepsis/3",
            {
                "identifier": {"system": "urn:ietf:rfc:3986", "value": "models:/sepsis/3"},
                "display": "Output of the model m 1",
            },
        ),
        ("models:/sepsis@champion", None),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_target_may_be_a_resource_or_a_model_version(
    target: str, expected: dict[str, Any] | None, version: Literal["R4", "R5"]
) -> None:
    found = made(HealthcareRunContext("m", "1"), target=target, fhir_version=version)
    assert expected is None or found["target"] == [expected]
    PARSERS[version].model_validate(found)
    two = made(HealthcareRunContext("m", "1"), target=[target, "Patient/p"], fhir_version=version)
    assert [*found["target"], {"reference": "Patient/p"}] == two["target"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"fhir_version": "STU3"}, "fhir_version"),
        ({"urn_namespace": "a b"}, "urn_namespace"),
        ({"urn_namespace": "-a"}, "urn_namespace"),
        ({"urn_namespace": ""}, "urn_namespace"),
        ({"target": "Jane Canary"}, "target"),
        ({"target": []}, "target"),
        ({"target": "javascript:alert(1)"}, "target"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ContextError) as refused:
        made(HealthcareRunContext("m", "1"), **given)
    assert refused.value.fields["field"] == field
    assert "Jane" not in str(refused.value)


text = st.text(min_size=1, max_size=30).filter(lambda value: bool(value.strip()))


@given(text, text, text)
def test_any_text_that_a_context_takes_makes_a_valid_resource(name: str, source: str, tag: str) -> None:
    try:
        context = HealthcareRunContext(
            name, "1", data_sources=[source], regulatory_tags=[tag], recorded=datetime(2026, 1, 1, tzinfo=UTC)
        )
    except ContextError:
        return
    found = made(context)
    assert problems(found) == []
    assert all(urn.isascii() and " " not in urn for urn in found["policy"])
    ProvenanceR4B.model_validate(found)
    ProvenanceR5.model_validate(found)
