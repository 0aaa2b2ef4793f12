"""DocumentReference resources: free-text notes that hold identifiers, as real notes do."""

from __future__ import annotations

from base64 import b64encode

from medcairn.synthetic.analytes import LOINC
from medcairn.synthetic.charts.chart import Scene, coding, head
from medcairn.synthetic.charts.identity import Identity
from medcairn.synthetic.codes import ACUTE
from medcairn.synthetic.instants import fhir_date, fhir_datetime, local_day
from medcairn.synthetic.lives import Kind


def write_note(scene: Scene, who: Identity) -> None:
    """A discharge summary or progress note as plain text in base64."""
    chart, contact = scene.chart, scene.contact
    summary = contact.kind is Kind.INPATIENT and contact.end is not None
    code, display = ("18842-5", "Discharge summary") if summary else ("11506-3", "Progress note")
    minute = scene.close
    data = b64encode(_text(scene, who, display).encode()).decode()
    author = chart.house.practitioners[scene.practitioner]
    chart.add(
        "DocumentReference",
        f"{head('DocumentReference', chart.new_id(), minute, 'documentreference')},"
        f'"status":"current","type":{{"coding":[{coding(LOINC, code, display)}],"text":"{display}"}},'
        f'"subject":{{"reference":"{scene.subject}"date":"{fhir_datetime(minute)}",'
        f'"author":[{{"reference":"Practitioner/{author}"}}],'
        f'"content":[{{"attachment":{{"contentType":"text/plain; charset=utf-8","data":"{data}"}}}}],'
        f'"context":{{{scene.encounter[:-1].replace(chr(58), ":[", 1)}]}}}}\n',
    )


def _text(scene: Scene, who: Identity, title: str) -> str:
    contact, life = scene.contact, scene.chart.life
    title_word, pronoun = ("Mrs.", "She") if life.person.female else ("Mr.", "He")
    reason = ACUTE[contact.reason].text.lower() if contact.reason is not None else "a routine check"
    doctor = scene.chart.house.practitioner_names[scene.practitioner]
    return (
        f"{title}\nPatient: {who.given} {who.middle} {who.family}   MRN: {who.mrn}\n"
        f"Born: {fhir_date(life.person.birth_day)}   SSN: {who.ssn}\n"
        f"Lives at: {who.street}, {who.city}, {who.state} {who.zip_code}   Phone: {who.phone}\n\n"
        f"{title_word} {who.family} was seen from {fhir_date(local_day(contact.start))} for {reason}. "
        f"{pronoun} was told to call {who.phone} back or write to {who.email} when complaints return. "
        f"The family of {who.given} was informed.\n\n{doctor}\n"
    )


__all__ = ["write_note"]
