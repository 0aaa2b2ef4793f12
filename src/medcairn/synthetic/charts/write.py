"""A whole chart: the patient, then contact by contact what was seen, found, given and done."""

from __future__ import annotations

from medcairn.synthetic.analytes import BLOOD_COUNT, LIPID_PANEL, LIVER_PANEL, METABOLIC_PANEL
from medcairn.synthetic.charts.chart import Chart, Scene
from medcairn.synthetic.charts.findings import write_problem, write_reason, write_stray_diagnosis
from medcairn.synthetic.charts.identity import Identity, draw_identity, write_patient
from medcairn.synthetic.charts.measurements import write_habitus, write_labs, write_vitals
from medcairn.synthetic.charts.notes import write_note
from medcairn.synthetic.charts.stays import write_encounter
from medcairn.synthetic.charts.treatments import (
    write_course,
    write_prescription,
    write_procedure,
    write_vaccination,
)
from medcairn.synthetic.codes import CLINIC_PROCEDURES, MEDICATIONS, WARD_PROCEDURES
from medcairn.synthetic.draws import Draws, Stream
from medcairn.synthetic.house import HOSPITALS, House
from medcairn.synthetic.instants import DAY, HOUR
from medcairn.synthetic.lives import Contact, Kind, Life, Problem

_WARD_DAYS_RECORDED = 12


def write_chart(life: Life, house: House, *, seed: int, end: int) -> list[tuple[str, bytes]]:
    """All resources of ``life`` as (resource type, NDJSON line)."""
    index = life.person.index
    chart = Chart(life, house, Draws(seed, index, Stream.CHART), end)
    identity_draws = Draws(seed, index, Stream.IDENTITY)
    who = draw_identity(identity_draws, female=life.person.female)
    write_patient(chart, who, identity_draws)
    home = HOSPITALS + index % (len(house.organizations) - HOSPITALS)
    for number, contact in enumerate(life.contacts):
        found = [problem for problem in life.problems if problem.contact == number]
        _write_contact(chart, contact, found, home, who)
    return chart.lines


def _write_contact(chart: Chart, contact: Contact, found: list[Problem], home: int, who: Identity) -> None:
    scene = _scene(chart, contact, home)
    first = contact is chart.life.contacts[0]
    for problem in found:
        write_problem(scene, problem)
    if first and chart.draws.chance(0.012):
        write_stray_diagnosis(scene)
    if contact.reason is not None:
        write_reason(scene, contact.reason)
    if contact.kind is Kind.INPATIENT:
        _ward(scene)
    elif contact.kind is Kind.EMERGENCY:
        _emergency(scene)
    else:
        _clinic(scene, first=first)
    for problem in found:
        for choice in MEDICATIONS.get(problem.name, ())[: 1 + chart.draws.chance(0.25)]:
            write_prescription(scene, choice, problem.recorded)
    if chart.draws.chance(0.75 if contact.kind is Kind.INPATIENT else 0.07):
        write_note(scene, who)


def _scene(chart: Chart, contact: Contact, home: int) -> Scene:
    draws = chart.draws
    if contact.kind is Kind.AMBULATORY:
        clinics = len(chart.house.organizations) - HOSPITALS
        elsewhere = draws.chance(0.12)
        organization = HOSPITALS + int(draws.random() * clinics) if elsewhere else home
    else:
        organization = home % HOSPITALS if draws.chance(0.85) else (home + 1) % HOSPITALS
    identifier = chart.new_id()
    scene = Scene(
        chart=chart,
        contact=contact,
        organization=organization,
        practitioner=(organization * 6 + int(draws.random() * 6)) % len(chart.house.practitioners),
        subject=f'Patient/{chart.life.person.key}"}},',
        encounter=f'"encounter":{{"reference":"Encounter/{identifier}"}},',
    )
    write_encounter(scene, identifier)
    return scene


def _clinic(scene: Scene, *, first: bool) -> None:
    draws, contact = scene.chart.draws, scene.contact
    minute = contact.start + 5
    conditions = scene.chart.life.person.conditions
    write_vitals(scene, minute, ill=0.0)
    if draws.chance(0.85):
        write_habitus(scene, minute)
    if draws.chance(0.42) or first:
        write_labs(scene, METABOLIC_PANEL, minute + 5, contact.levels)
    if draws.chance(0.25):
        write_labs(scene, BLOOD_COUNT, minute + 5, contact.levels)
    watched = contact.diagnosing or "diabetes" in conditions or "prediabetes" in conditions
    if first or contact.diagnosing or draws.chance(0.65 if watched else 0.45):
        write_labs(scene, ("hba1c",), minute + 5, contact.levels)
    if draws.chance(0.25):
        write_labs(scene, LIPID_PANEL, minute + 5, contact.levels)
    if draws.chance(0.15):
        write_labs(scene, LIVER_PANEL, minute + 5, contact.levels)
    if draws.chance(0.25):
        _renew(scene)
    if contact.reason is not None and draws.chance(0.4):
        write_course(scene, contact.start)
    if draws.chance(0.15):
        write_procedure(scene, draws.pick(CLINIC_PROCEDURES), contact.start, contact.start + 15)
    if draws.chance(0.28):
        write_vaccination(scene, contact.start + 10)


def _renew(scene: Scene) -> None:
    """Renew what a known lasting condition asks for."""
    known = [p.name for p in scene.chart.life.problems if p.recorded <= scene.contact.start]
    for name in known:
        if name in MEDICATIONS and scene.chart.draws.chance(0.5):
            write_prescription(scene, MEDICATIONS[name][0], scene.contact.start)


def _emergency(scene: Scene) -> None:
    draws, contact = scene.chart.draws, scene.contact
    write_vitals(scene, contact.start + 15, ill=0.6)
    if draws.chance(0.35):
        write_labs(scene, METABOLIC_PANEL, contact.start + 30, contact.levels)
    if draws.chance(0.3):
        write_course(scene, contact.start + 60)


def _ward(scene: Scene) -> None:
    """Blood and vital signs day by day, dense on the first and the last day, then procedures."""
    draws, contact, close = scene.chart.draws, scene.contact, scene.close
    days = max(1, (close - contact.start) // DAY)
    for day in range(min(days, _WARD_DAYS_RECORDED)):
        minute = contact.start + day * DAY + int(draws.between(0.5, 5.0) * HOUR)
        if minute + 6 * HOUR >= close:
            break
        if draws.chance(0.95 if day == 0 else 0.55):
            write_vitals(scene, minute, ill=1.0)
        if draws.chance(0.97 if day == 0 else 0.25):
            write_labs(scene, METABOLIC_PANEL[:5], minute, contact.levels)
        if draws.chance(0.95 if day == 0 else 0.25):
            write_labs(scene, BLOOD_COUNT, minute, contact.levels)
        if day == 0 and draws.chance(0.3):
            write_labs(scene, LIVER_PANEL, minute, contact.levels)
    if contact.end is not None and days > 1:
        morning = close - int(draws.between(6.5, 9.0) * HOUR)
        if draws.chance(0.75):
            write_labs(scene, METABOLIC_PANEL[:5], morning, contact.levels)
        if draws.chance(0.6):
            write_labs(scene, BLOOD_COUNT, morning, contact.levels)
    if draws.chance(0.5):
        start = contact.start + int(draws.random() * 0.8 * (close - contact.start))
        write_procedure(scene, draws.pick(WARD_PROCEDURES), start, min(start + 45, close))
    if draws.chance(0.5) and contact.end is not None and contact.disposition != "exp":
        write_course(scene, close - 30)


__all__ = ["write_chart"]
