"""MedicationRequest, Procedure and Immunization resources."""

from __future__ import annotations

from medcairn.synthetic.charts.chart import Scene, coding, head
from medcairn.synthetic.codes import CVX, RXNORM, SHORT_COURSES, SNOMED, VACCINES
from medcairn.synthetic.instants import fhir_datetime


def write_prescription(scene: Scene, medication: tuple[str, str], minute: int) -> None:
    """A lasting medication, ordered at ``minute``."""
    luck = scene.chart.draws.random()
    status = "active" if luck < 0.7 else "stopped" if luck < 0.99 else "entered-in-error"
    _order(scene, medication, minute, status)


def write_course(scene: Scene, minute: int) -> None:
    """A medication for days."""
    _order(scene, scene.chart.draws.pick(SHORT_COURSES), minute, "completed")


def _order(scene: Scene, medication: tuple[str, str], minute: int, status: str) -> None:
    chart = scene.chart
    code, display = medication
    requester = chart.house.practitioners[scene.practitioner]
    chart.add(
        "MedicationRequest",
        f"{head('MedicationRequest', chart.new_id(), minute, 'medicationrequest')},"
        f'"status":"{status}","intent":"order",'
        f'"medicationCodeableConcept":{{"coding":[{coding(RXNORM, code, display)}],"text":"{display}"}},'
        f'"subject":{{"reference":"{scene.subject}{scene.encounter}"authoredOn":"{fhir_datetime(minute)}",'
        f'"requester":{{"reference":"Practitioner/{requester}"}},'
        '"dosageInstruction":[{"text":"Take as directed"}]}\n',
    )


def write_procedure(scene: Scene, what: tuple[str, str], start: int, stop: int) -> None:
    """Something done between ``start`` and ``stop``."""
    chart = scene.chart
    code, display = what
    chart.add(
        "Procedure",
        f"{head('Procedure', chart.new_id(), stop, 'procedure')},"
        f'"status":"completed","code":{{"coding":[{coding(SNOMED, code, display)}],"text":"{display}"}},'
        f'"subject":{{"reference":"{scene.subject}{scene.encounter}'
        f'"performedPeriod":{{"start":"{fhir_datetime(start)}","end":"{fhir_datetime(stop)}"}}}}\n',
    )


def write_vaccination(scene: Scene, minute: int) -> None:
    """A vaccine given; influenza more often than the others."""
    chart, draws = scene.chart, scene.chart.draws
    code, display = VACCINES[0] if draws.chance(0.6) else draws.pick(VACCINES[1:])
    chart.add(
        "Immunization",
        f"{head('Immunization', chart.new_id(), minute, 'immunization')},"
        f'"status":"completed","vaccineCode":{{"coding":[{coding(CVX, code, display)}],"text":"{display}"}},'
        f'"patient":{{"reference":"{scene.subject}{scene.encounter}'
        f'"occurrenceDateTime":"{fhir_datetime(minute)}","primarySource":true}}\n',
    )


__all__ = ["write_course", "write_prescription", "write_procedure", "write_vaccination"]
