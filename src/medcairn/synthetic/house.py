"""The hospital's own side: organizations, practitioners, and how each laboratory writes its results."""

from __future__ import annotations

from dataclasses import dataclass

from medcairn.synthetic.analytes import BLOOD_PRESSURE_PANELS, LABS, LOINC, VITALS, Analyte, Unit
from medcairn.synthetic.draws import Draws, Stream, opaque_key
from medcairn.synthetic.instants import fhir_instant
from medcairn.synthetic.names import FAMILY, FEMALE, MALE, ORGANIZATIONS, PLACES, STREETS

HOSPITALS = 2
PRACTITIONERS = 48

_UCUM = "http://unitsofmeasure.org"
_LAB_CATEGORY = ("laboratory", "Laboratory", "us-core-observation-lab")
_VITAL_CATEGORY = ("vital-signs", "Vital Signs", "us-core-vital-signs")


@dataclass(frozen=True)
class Writing:
    """How one organization writes one analyte: ready-made fragments of JSON and the unit's arithmetic.

    ``head`` runs from the profile to before the status, ``code`` from the category to the code, ``tail``
    follows the number, ``bounds`` is the reference range (or empty).
    """

    profile: str
    code: str
    tail: str
    bounds: str
    unit: Unit
    analyte: Analyte


@dataclass(frozen=True)
class House:
    """Everything that all patients of a hospital share."""

    organizations: tuple[str, ...]
    practitioners: tuple[str, ...]
    practitioner_names: tuple[str, ...]
    writings: tuple[dict[str, Writing], ...]
    panels: tuple[str, ...]
    lines: tuple[tuple[str, bytes], ...]


def build_house(seed: int) -> House:
    """The house of the hospital with ``seed``: eight organizations, 48 practitioners."""
    draws = Draws(seed, 0, Stream.HOUSE)
    organizations = tuple(opaque_key(seed, -2 - n) for n in range(len(ORGANIZATIONS)))
    practitioners = tuple(opaque_key(seed, -100 - n) for n in range(PRACTITIONERS))
    lines = [_organization(draws, key, n) for n, key in enumerate(organizations)]
    names = []
    for key in practitioners:
        line, name = _practitioner(draws, key)
        lines.append(line)
        names.append(name)
    return House(
        organizations=organizations,
        practitioners=practitioners,
        practitioner_names=tuple(names),
        writings=tuple(_writings(n) for n in range(len(organizations))),
        panels=tuple(_panel(n) for n in range(len(organizations))),
        lines=tuple(lines),
    )


_FOUNDED = fhir_instant(25_000_000)


def _organization(draws: Draws, key: str, n: int) -> tuple[str, bytes]:
    city, state, zip_code = PLACES[n % 6]
    line = (
        f'{{"resourceType":"Organization","id":"{key}","meta":{{"lastUpdated":"{_FOUNDED}",'
        '"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-organization"]},'
        f'"identifier":[{{"system":"http://hl7.org/fhir/sid/us-npi","value":"{_npi(draws)}"}}],"active":true,'
        f'"name":"{ORGANIZATIONS[n]}","telecom":[{{"system":"phone","value":"{_phone(draws)}"}}],'
        f'"address":[{{"line":["{_street(draws)}"],"city":"{city}","state":"{state}",'
        f'"postalCode":"{zip_code}","country":"US"}}]}}\n'
    )
    return "Organization", line.encode()


def _practitioner(draws: Draws, key: str) -> tuple[tuple[str, bytes], str]:
    given, family = draws.pick(FEMALE if draws.chance(0.5) else MALE), draws.pick(FAMILY)
    email = f"{given}.{family}@hospital.example".lower()
    line = (
        f'{{"resourceType":"Practitioner","id":"{key}","meta":{{"lastUpdated":"{_FOUNDED}",'
        '"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-practitioner"]},'
        f'"identifier":[{{"system":"http://hl7.org/fhir/sid/us-npi","value":"{_npi(draws)}"}}],"active":true,'
        f'"name":[{{"family":"{family}","given":["{given}"],"prefix":["Dr."]}}],'
        f'"telecom":[{{"system":"email","value":"{email}"}}]}}\n'
    )
    return ("Practitioner", line.encode()), f"Dr. {given} {family}"


def _npi(draws: Draws) -> str:
    return f"{1_000_000_000 + int(draws.random() * 999_999_999)}"


def _phone(draws: Draws) -> str:
    return f"(508) 555-{int(draws.random() * 10_000):04}"


def _street(draws: Draws) -> str:
    return f"{int(draws.between(1, 999))} {draws.pick(STREETS)}"


def _writings(organization: int) -> dict[str, Writing]:
    """Organizations differ in LOINC code, unit and whether they print reference ranges."""
    labs = {
        name: _writing(analyte, _LAB_CATEGORY, organization, n)
        for n, (name, analyte) in enumerate(LABS.items())
    }
    vitals = {
        name: _writing(analyte, _VITAL_CATEGORY, organization, n)
        for n, (name, analyte) in enumerate(VITALS.items())
    }
    return labs | vitals


def _writing(analyte: Analyte, category: tuple[str, str, str], organization: int, n: int) -> Writing:
    code, display = analyte.loinc[(organization + n) % len(analyte.loinc)]
    unit = analyte.units[((organization + n) // 3) % len(analyte.units)]
    label, shown, profile = category
    return Writing(
        profile=f'","profile":["http://hl7.org/fhir/us/core/StructureDefinition/{profile}"]}},"status":"',
        code=(
            '","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category",'
            f'"code":"{label}","display":"{shown}"}}]}}],"code":{{"coding":[{{"system":"{LOINC}",'
            f'"code":"{code}","display":"{display}"}}],"text":"{analyte.text}"}},"subject":{{"reference":"'
        ),
        tail=f',"unit":"{unit.text}","system":"{_UCUM}","code":"{unit.code}"}}',
        bounds=_bounds(analyte, unit) if organization % 3 != 2 else "",
        unit=unit,
        analyte=analyte,
    )


def _bounds(analyte: Analyte, unit: Unit) -> str:
    def bound(name: str, value: float) -> str:
        number = f"{value * unit.factor + unit.offset:.{unit.decimals}f}"
        return f'"{name}":{{"value":{number},"unit":"{unit.text}","system":"{_UCUM}","code":"{unit.code}"}}'

    sides = [
        bound(name, value)
        for name, value in (("low", analyte.low), ("high", analyte.high))
        if value is not None
    ]
    return f',"referenceRange":[{{{",".join(sides)}}}]' if sides else ""


def _panel(organization: int) -> str:
    code, display = BLOOD_PRESSURE_PANELS[organization % 2]
    return (
        '","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category",'
        '"code":"vital-signs","display":"Vital Signs"}]}],'
        f'"code":{{"coding":[{{"system":"{LOINC}","code":"{code}","display":"{display}"}}],'
        '"text":"Blood pressure"},"subject":{"reference":"'
    )


__all__ = ["HOSPITALS", "PRACTITIONERS", "House", "Writing", "build_house"]
