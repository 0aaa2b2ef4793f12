"""The Patient resource and the identity behind it."""

from __future__ import annotations

from dataclasses import dataclass

from medcairn.synthetic.charts.chart import Chart, head
from medcairn.synthetic.draws import Draws
from medcairn.synthetic.instants import fhir_date, fhir_datetime
from medcairn.synthetic.names import FAMILY, FEMALE, MALE, PLACES, RACES, STREETS

_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
_FHIR = "http://hl7.org/fhir/StructureDefinition"
_RACE_SYSTEM = "urn:oid:2.16.840.1.113883.6.238"


@dataclass(frozen=True, slots=True)
class Identity:
    """What identifies a patient; all of it must disappear in de-identification."""

    given: str
    middle: str
    family: str
    mrn: str
    ssn: str
    phone: str
    email: str
    street: str
    city: str
    state: str
    zip_code: str


def draw_identity(draws: Draws, *, female: bool) -> Identity:
    """An invented identity. Social security numbers begin with 9, which is never issued."""
    given_names = FEMALE if female else MALE
    given, middle, family = draws.pick(given_names), draws.pick(given_names), draws.pick(FAMILY)
    city, state, zip_code = draws.pick(PLACES)
    number = int(draws.random() * 10_000_000)
    return Identity(
        given=given,
        middle=middle,
        family=family,
        mrn=f"MC{int(draws.random() * 1e9):09}",
        ssn=f"9{int(draws.random() * 100):02}-{int(draws.between(10, 99)):02}-{int(draws.random() * 1e4):04}",
        phone=f"(617) 555-{int(draws.random() * 1e4):04}",
        email=f"{given}.{family}{number % 1000}@mail.example".lower(),
        street=f"{int(draws.between(1, 1999))} {draws.pick(STREETS)}",
        city=city,
        state=state,
        zip_code=zip_code,
    )


def write_patient(chart: Chart, who: Identity, draws: Draws) -> None:
    """Patient by the US Core profile."""
    person, life = chart.life.person, chart.life
    last = life.death if life.death is not None else life.contacts[-1].start
    gender, sex = ("female", "F") if person.female else ("male", "M")
    deceased = "" if life.death is None else f',"deceasedDateTime":"{fhir_datetime(life.death)}"'
    chart.add(
        "Patient",
        f"{head('Patient', person.key, last, 'patient')},"
        f'"extension":[{",".join(_extensions(draws, sex))}],'
        f'"identifier":[{_identifier("MR", "Medical Record Number", "http://hospital.example/mrn", who.mrn)},'
        f"{_identifier('SS', 'Social Security Number', 'http://hl7.org/fhir/sid/us-ssn', who.ssn)}],"
        f'"active":true,"name":[{_names(draws, who, female=person.female)}],'
        f'"telecom":[{{"system":"phone","value":"{who.phone}","use":"home"}},'
        f'{{"system":"email","value":"{who.email}"}}],"gender":"{gender}",'
        f'"birthDate":"{fhir_date(person.birth_day)}"{deceased},'
        f'"address":[{{"use":"home","line":["{who.street}"],"city":"{who.city}","state":"{who.state}",'
        f'"postalCode":"{who.zip_code}","country":"US"}}]{_marital(draws)},'
        '"communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"en-US"}]}}],'
        f'"managingOrganization":{{"reference":"Organization/{chart.house.organizations[0]}"}}}}\n',
    )


def _identifier(code: str, display: str, system: str, value: str) -> str:
    return (
        '{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203",'
        f'"code":"{code}","display":"{display}"}}]}},"system":"{system}","value":"{value}"}}'
    )


def _names(draws: Draws, who: Identity, *, female: bool) -> str:
    names = f'{{"use":"official","family":"{who.family}","given":["{who.given}","{who.middle}"]}}'
    if female and draws.chance(0.4):
        names += f',{{"use":"maiden","family":"{draws.pick(FAMILY)}","given":["{who.given}"]}}'
    return names


def _extensions(draws: Draws, sex: str) -> list[str]:
    found = []
    race = _race(draws.random())
    if race is not None:
        found.append(_omb("race", *race))
    if not draws.chance(0.05):
        hispanic = draws.chance(0.16)
        found.append(
            _omb(
                "ethnicity",
                "2135-2" if hispanic else "2186-5",
                "Hispanic or Latino" if hispanic else "Not Hispanic or Latino",
            )
        )
    if not draws.chance(0.03):
        found.append(f'{{"url":"{_US_CORE}/us-core-birthsex","valueCode":"{sex}"}}')
    if draws.chance(0.5):
        city, state, _ = draws.pick(PLACES)
        found.append(
            f'{{"url":"{_FHIR}/patient-birthPlace","valueAddress":{{"city":"{city}","state":"{state}"}}}}'
        )
    if draws.chance(0.3):
        found.append(f'{{"url":"{_FHIR}/patient-mothersMaidenName","valueString":"{draws.pick(FAMILY)}"}}')
    return found


def _race(chance: float) -> tuple[str, str] | None:
    for code, display, share in RACES:
        if chance < share:
            return code, display
        chance -= share
    return None


def _omb(kind: str, code: str, display: str) -> str:
    return (
        f'{{"url":"{_US_CORE}/us-core-{kind}","extension":[{{"url":"ombCategory","valueCoding":'
        f'{{"system":"{_RACE_SYSTEM}","code":"{code}","display":"{display}"}}}},'
        f'{{"url":"text","valueString":"{display}"}}]}}'
    )


def _marital(draws: Draws) -> str:
    if draws.chance(0.2):
        return ""
    code, display = draws.pick(
        (("M", "Married"), ("S", "Never Married"), ("W", "Widowed"), ("D", "Divorced"))
    )
    return (
        ',"maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus",'
        f'"code":"{code}","display":"{display}"}}]}}'
    )


__all__ = ["Identity", "draw_identity", "write_patient"]
