"""Encounter resources."""

from __future__ import annotations

from medcairn.synthetic.charts.chart import Scene, coding, head
from medcairn.synthetic.codes import ACUTE, DISPOSITIONS, SNOMED, VISIT_TYPES
from medcairn.synthetic.instants import fhir_datetime
from medcairn.synthetic.lives import Contact, Kind

_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_DISPLAYS = {
    Kind.AMBULATORY: "ambulatory",
    Kind.EMERGENCY: "emergency",
    Kind.INPATIENT: "inpatient encounter",
}
_EMERGENCY_ROOM = ("50849002", "Emergency room admission")
_EMERGENCY_ADMISSION = ("183452005", "Emergency hospital admission")
_ELECTIVE_ADMISSION = ("8715000", "Hospital admission, elective")


def write_encounter(scene: Scene, identifier: str) -> None:
    """Encounter by the US Core profile; one that lasts at the end of the data is in progress."""
    contact, house = scene.contact, scene.chart.house
    open_ended = contact.end is None
    stop = "" if contact.end is None else f',"end":"{fhir_datetime(contact.end)}"'
    updated = contact.start if contact.end is None else contact.end
    code, display = _type(scene)
    reason = ""
    if contact.reason is not None:
        known = ACUTE[contact.reason]
        reason = f',"reasonCode":[{{"coding":[{coding(SNOMED, known.snomed, known.text)}]}}]'
    scene.chart.add(
        "Encounter",
        f"{head('Encounter', identifier, updated, 'encounter')},"
        f'"status":"{"in-progress" if open_ended else "finished"}",'
        f'"class":{coding(_ACT_CODE, contact.kind.value, _DISPLAYS[contact.kind])},'
        f'"type":[{{"coding":[{coding(SNOMED, code, display)}],"text":"{display}"}}],'
        f'"subject":{{"reference":"{scene.subject}'
        '"participant":[{"individual":{"reference":'
        f'"Practitioner/{house.practitioners[scene.practitioner]}",'
        f'"display":"{house.practitioner_names[scene.practitioner]}"}}}}],'
        f'"period":{{"start":"{fhir_datetime(contact.start)}"{stop}}}{reason}{_hospitalization(contact)},'
        f'"serviceProvider":{{"reference":"Organization/{house.organizations[scene.organization]}"}}}}\n',
    )


def _type(scene: Scene) -> tuple[str, str]:
    contact = scene.contact
    if contact.kind is Kind.EMERGENCY:
        return _EMERGENCY_ROOM
    if contact.kind is Kind.INPATIENT:
        return _EMERGENCY_ADMISSION if contact.emergency else _ELECTIVE_ADMISSION
    if contact.reason is not None:
        return VISIT_TYPES[1]
    return VISIT_TYPES[2 if scene.chart.draws.chance(0.4) else 0]


def _hospitalization(contact: Contact) -> str:
    parts = []
    if contact.kind is Kind.INPATIENT and contact.emergency:
        system = "http://terminology.hl7.org/CodeSystem/admit-source"
        parts.append(
            f'"admitSource":{{"coding":[{coding(system, "emd", "From accident/emergency department")}]}}'
        )
    if contact.disposition:
        system = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
        code = coding(system, contact.disposition, DISPOSITIONS[contact.disposition])
        parts.append(f'"dischargeDisposition":{{"coding":[{code}]}}')
    return f',"hospitalization":{{{",".join(parts)}}}' if parts else ""


__all__ = ["write_encounter"]
