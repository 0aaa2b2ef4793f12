"""Condition resources: lasting problems, reasons for a contact, and diagnoses entered in error."""

from __future__ import annotations

from medcairn.synthetic.charts.chart import Scene, coding, head
from medcairn.synthetic.codes import ACUTE, CHRONIC, ICD10, SNOMED, Diagnosis
from medcairn.synthetic.instants import DAY, fhir_date, fhir_datetime, local_day
from medcairn.synthetic.lives import Problem

_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"


def write_problem(scene: Scene, problem: Problem) -> None:
    """A lasting condition on the problem list. One that was brought along began years before."""
    draws, chart = scene.chart.draws, scene.chart
    brought = scene.contact is chart.life.contacts[0]
    onset = f'"{fhir_datetime(problem.recorded)}"'
    if brought:
        years_ago = local_day(problem.recorded) - int(draws.wait(2200.0))
        onset = f'"{fhir_date(max(years_ago, chart.life.person.birth_day))}"'
    _write(
        scene,
        CHRONIC[problem.name],
        category="problem-list-item",
        onset=onset,
        recorded=problem.recorded,
        clinical="active",
        verification="confirmed",
    )


def write_reason(scene: Scene, reason: int) -> None:
    """What brought the patient here: an encounter diagnosis that has passed, or was ruled out."""
    draws, start = scene.chart.draws, scene.contact.start
    refuted = draws.chance(0.03)
    over = start + int(draws.between(5, 25) * DAY)
    gone = over < scene.chart.until
    _write(
        scene,
        ACUTE[reason],
        category="encounter-diagnosis",
        onset=f'"{fhir_datetime(start)}"',
        recorded=start,
        clinical="resolved" if gone or refuted else "active",
        verification="refuted" if refuted else "confirmed",
        abated=over if gone and not refuted else None,
    )


def write_stray_diagnosis(scene: Scene) -> None:
    """A diagnosis that belongs to someone else; its status says so."""
    name = scene.chart.draws.pick(("diabetes", "copd", "cancer"))
    _write(
        scene,
        CHRONIC[name],
        category="problem-list-item",
        onset=f'"{fhir_datetime(scene.contact.start)}"',
        recorded=scene.contact.start,
        clinical="",
        verification="entered-in-error",
    )


def _write(
    scene: Scene,
    diagnosis: Diagnosis,
    *,
    category: str,
    onset: str,
    recorded: int,
    clinical: str,
    verification: str,
    abated: int | None = None,
) -> None:
    chart = scene.chart
    status = (
        f'"clinicalStatus":{{"coding":[{{"system":"{_CLINICAL}","code":"{clinical}"}}]}},' if clinical else ""
    )
    end = f',"abatementDateTime":"{fhir_datetime(abated)}"' if abated is not None else ""
    chart.add(
        "Condition",
        f"{head('Condition', chart.new_id(), recorded if abated is None else abated, 'condition')},{status}"
        f'"verificationStatus":{{"coding":[{{"system":"{_VERIFICATION}","code":"{verification}"}}]}},'
        f'"category":[{{"coding":[{{"system":"{_CATEGORY}","code":"{category}"}}]}}],'
        f'"code":{{"coding":[{_codings(scene, diagnosis)}],"text":"{diagnosis.text}"}},'
        f'"subject":{{"reference":"{scene.subject}{scene.encounter}"onsetDateTime":{onset}{end},'
        f'"recordedDate":"{fhir_datetime(recorded)}"}}\n',
    )


def _codings(scene: Scene, diagnosis: Diagnosis) -> str:
    """Both vocabularies mostly; some organizations write SNOMED CT alone, some ICD-10-CM alone."""
    snomed = coding(SNOMED, diagnosis.snomed, diagnosis.text)
    icd10 = coding(ICD10, diagnosis.icd10, diagnosis.text)
    luck = scene.chart.draws.random()
    if luck < 0.2:
        return snomed
    return icd10 if luck < 0.4 else f"{snomed},{icd10}"


__all__ = ["write_problem", "write_reason", "write_stray_diagnosis"]
