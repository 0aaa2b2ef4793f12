"""Where identifiers hide in real FHIR: each an addition to any object, with the placeholder in it."""

from __future__ import annotations

from collections.abc import Mapping

from medcairn.core.canonical import JSON

_HERE = "@canary@"
_CORE = "http://hl7.org/fhir/StructureDefinition/"


def _extension(url: str, **value: JSON) -> Mapping[str, JSON]:
    return {"extension": [{"url": url, **value}]}


HIDING_PLACES: Mapping[str, Mapping[str, JSON]] = {
    "extension(birthPlace)": _extension(
        f"{_CORE}patient-birthPlace", valueAddress={"city": _HERE, "postalCode": _HERE}
    ),
    "extension(mothersMaidenName)": _extension(f"{_CORE}patient-mothersMaidenName", valueString=_HERE),
    "extension(geolocation)": _extension(
        f"{_CORE}geolocation",
        extension=[{"url": "latitude", "valueDecimal": 42.36}, {"url": "note", "valueString": _HERE}],
    ),
    "extension(citizenship)": _extension(
        f"{_CORE}patient-citizenship", extension=[{"url": "code", "valueCodeableConcept": {"text": _HERE}}]
    ),
    "extension(nested)": _extension(
        "urn:a", extension=[{"url": "urn:b", "extension": [{"url": _HERE, "valueUri": _HERE}]}]
    ),
    "extension(valueAttachment)": _extension("urn:x", valueAttachment={"data": _HERE, "title": _HERE}),
    "extension(valueHumanName)": _extension("urn:x", valueHumanName={"family": _HERE, "given": [_HERE]}),
    "extension(valueContactPoint)": _extension(
        "urn:x", valueContactPoint={"system": "phone", "value": _HERE}
    ),
    "extension(valueReference)": _extension("urn:x", valueReference={"reference": _HERE, "display": _HERE}),
    "extension(us-core-race)": _extension(
        "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
        extension=[{"url": "text", "valueString": _HERE}],
    ),
    "contained(Patient)": {
        "contained": [{"resourceType": "Patient", "id": _HERE, "name": [{"text": _HERE, "family": _HERE}]}]
    },
    "contained(nested)": {
        "contained": [
            {"resourceType": "Observation", "valueString": _HERE, "contained": [{"id": _HERE, "text": _HERE}]}
        ]
    },
    "entry": {
        "entry": [{"fullUrl": _HERE, "resource": {"resourceType": "Patient", "name": [{"text": _HERE}]}}]
    },
    "fullUrl": {"fullUrl": _HERE},
    "meta": {
        "meta": {
            "source": _HERE,
            "profile": [_HERE],
            "tag": [{"system": "urn:x", "code": _HERE, "display": _HERE}],
            "security": [{"display": _HERE}],
        }
    },
    "text": {"text": {"status": "additional", "div": f"<div>{_HERE}</div>"}},
    "text(string)": {"text": _HERE},
    "language": {"language": _HERE},
    "modifierExtension": {"modifierExtension": [{"url": "urn:x", "valueString": _HERE}]},
    "implicitRules": {"implicitRules": _HERE},
    "identifier": {
        "identifier": [
            {"system": _HERE, "value": _HERE, "type": {"text": _HERE}, "assigner": {"display": _HERE}}
        ]
    },
    "identifier(one)": {"identifier": {"value": _HERE, "assigner": {"display": _HERE}}},
    "display": {"display": _HERE},
    "name": {"name": [{"use": "old", "text": _HERE, "family": _HERE, "given": [_HERE]}]},
    "name(string)": {"name": _HERE},
    "telecom": {"telecom": [{"system": "phone", "value": _HERE}]},
    "address(line)": {"line": [_HERE], "city": _HERE, "district": _HERE},
    "photo": {"photo": [{"contentType": "image/jpeg", "data": _HERE, "url": _HERE}]},
    "note": {"note": [{"authorString": _HERE, "time": "2019-05-06", "text": _HERE}]},
    "comment": {"comment": _HERE},
    "description": {"description": _HERE},
    "valueString": {"valueString": _HERE},
    "answer": {"answer": [{"valueString": _HERE, "valueUri": _HERE}]},
    "title": {"title": _HERE},
    "data": {"data": _HERE},
    "url": {"url": _HERE},
    "udiCarrier": {"udiCarrier": [{"deviceIdentifier": _HERE, "carrierHRF": _HERE}]},
    "serialNumber": {"serialNumber": _HERE, "lotNumber": _HERE},
    "network": {"network": {"address": _HERE, "type": "2"}},
    "version": {"version": _HERE},
    "unknown_element": {"patientNameOfOurOwn": _HERE, "x-y": {"z": [_HERE]}},
    "element_name": {_HERE: "x"},
}
"""Name of the place, and what is added to the object; lists are appended to what stands there."""

__all__ = ["HIDING_PLACES"]
