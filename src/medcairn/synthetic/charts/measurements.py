"""Observations: laboratory results, vital signs, blood pressure panels, and what goes wrong with them."""

from __future__ import annotations

from math import exp

from medcairn.synthetic.charts.chart import Scene, head
from medcairn.synthetic.instants import DAY, HOUR, fhir_datetime, fhir_instant
from medcairn.synthetic.people import Levels

_LATE = 0.03
_IN_ERROR = 0.008
_INTERPRETATION = (
    ',"interpretation":[{"coding":[{"system":'
    '"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"'
)


def write_labs(scene: Scene, names: tuple[str, ...], minute: int, levels: Levels) -> None:
    """One draw of blood at ``minute``: each of ``names``, now and then without one of them."""
    draws = scene.chart.draws
    values = _panel_values(scene, names, levels)
    turnaround = int(draws.between(30, 5 * HOUR))
    for name, value in values:
        if draws.random() >= 0.03:
            write_quantity(scene, name, minute, minute + turnaround, value)


def _panel_values(scene: Scene, names: tuple[str, ...], levels: Levels) -> list[tuple[str, float]]:
    writings = scene.chart.house.writings[scene.organization]
    gauss = scene.chart.draws.gauss
    values = []
    for name in names:
        level = _level(scene, name, levels)
        noise = writings[name].analyte.noise
        if name == "creatinine":
            values.append((name, level * exp(gauss(0.0, noise))))
        else:
            values.append((name, max(level + gauss(0.0, noise), 1.0)))
    return values


def _level(scene: Scene, name: str, levels: Levels) -> float:
    """The level around which ``name`` is measured. What drives no outcome varies by patient alone."""
    person = scene.chart.life.person
    own = _own(person.key, name)
    if name == "egfr":
        return _egfr(levels.creatinine, person.age_at(scene.contact.start), female=person.female)
    if name == "urea_nitrogen":
        return 9.0 + 7.0 * levels.creatinine
    if name == "total_cholesterol":
        return 165.0 + 50.0 * own
    if name == "ldl":
        return 85.0 + 55.0 * own
    known = _KNOWN.get(name)
    if known is not None:
        return float(getattr(levels, known))
    low, span = _USUAL[name]
    return low + span * own


_KNOWN = {name: name for name in ("glucose", "creatinine", "sodium", "haemoglobin", "hba1c")}
_USUAL = {
    "potassium": (3.9, 0.7),
    "wbc": (5.0, 5.5),
    "platelets": (170.0, 160.0),
    "alt": (14.0, 26.0),
    "ast": (16.0, 20.0),
    "hdl": (38.0, 30.0),
    "triglycerides": (80.0, 130.0),
}
"""Lowest usual level and span, uniform over patients."""


def _own(key: str, name: str) -> float:
    """A number in [0, 1) that stays the same for one patient and one analyte."""
    word = int(key[:8], 16) ^ (sum(name.encode()) * 2_654_435_761 & 0xFFFFFFFF)
    word = (word ^ (word >> 13)) * 0x5BD1E995 & 0xFFFFFFFF
    return (word ^ (word >> 15)) / 2**32


def _egfr(creatinine: float, age: float, *, female: bool) -> float:
    """CKD-EPI 2021 (Inker et al., NEJM 2021), mL/min/1.73 m²."""
    kappa, alpha = (0.7, -0.241) if female else (0.9, -0.302)
    ratio = creatinine / kappa
    low, high = min(ratio, 1.0) ** alpha, max(ratio, 1.0) ** -1.2
    return float(142.0 * low * high * 0.9938**age * (1.012 if female else 1.0))


def write_vitals(scene: Scene, minute: int, *, ill: float) -> None:
    """A round of vital signs; on wards nearly all of them, in clinics fewer."""
    draws = scene.chart.draws
    ward = ill > 0.0
    if draws.random() < 0.93:
        write_blood_pressure(scene, minute)
    if draws.random() < 0.9:
        write_quantity(scene, "heart_rate", minute, minute, draws.gauss(73.0 + 12.0 * ill, 9.0))
    if draws.random() < (0.9 if ward else 0.4):
        write_quantity(scene, "respiratory_rate", minute, minute, draws.gauss(15.0 + 3.0 * ill, 1.8))
    if draws.random() < (0.9 if ward else 0.5):
        write_quantity(scene, "temperature", minute, minute, draws.gauss(36.7 + 0.5 * ill, 0.35))
    if draws.random() < (0.9 if ward else 0.4):
        write_quantity(scene, "spo2", minute, minute, min(draws.gauss(97.5 - 2.5 * ill, 1.2), 100.0))


def write_habitus(scene: Scene, minute: int) -> None:
    """Weight, and often height and BMI."""
    draws, person = scene.chart.draws, scene.chart.life.person
    bmi = person.bmi + draws.gauss(0.0, 0.3)
    write_quantity(scene, "weight", minute, minute, bmi * (person.height_cm / 100.0) ** 2)
    if draws.random() < 0.8:
        write_quantity(scene, "bmi", minute, minute, bmi)
    if draws.random() < 0.4:
        write_quantity(scene, "height", minute, minute, person.height_cm + draws.gauss(0.0, 0.4))


def write_quantity(scene: Scene, name: str, minute: int, issued: int, value: float) -> None:
    """One Observation with a quantity. It may arrive days late, be entered in error, or be wrong.

    Nothing is written that the record could not hold: taken after the contact or issued after death or the
    end of the data.
    """
    chart = scene.chart
    draws = chart.draws
    writing = chart.house.writings[scene.organization][name]
    unit, analyte = writing.unit, writing.analyte
    luck = draws.random()
    status, updated = "final", issued
    if luck < _LATE and issued > minute:
        updated = issued = issued + int(draws.between(2, 9) * DAY)
    elif luck > 1.0 - _IN_ERROR:
        status, updated = "entered-in-error", issued + int(draws.between(1, 3) * DAY)
        value *= draws.between(3.0, 10.0)
    if issued >= chart.until:
        return
    flag = ""
    if analyte.high is not None and value > analyte.high:
        flag = f'{_INTERPRETATION}H"}}]}}]'
    elif analyte.low is not None and value < analyte.low:
        flag = f'{_INTERPRETATION}L"}}]}}]'
    chart.counter += 1
    line = (
        f'{{"resourceType":"Observation","id":"{chart.life.person.key}-{chart.counter:x}",'
        f'"meta":{{"lastUpdated":"{fhir_instant(min(updated, chart.end - 1))}{writing.profile}{status}'
        f"{writing.code}{scene.subject}{scene.encounter}"
        f'"effectiveDateTime":"{fhir_datetime(minute)}","issued":"{fhir_datetime(issued)}",'
        f'"valueQuantity":{{"value":{value * unit.factor + unit.offset:.{unit.decimals}f}{writing.tail}'
        f"{flag}{writing.bounds}}}\n"
    )
    chart.lines.append(("Observation", line.encode()))


def write_blood_pressure(scene: Scene, minute: int) -> None:
    """A blood pressure panel: systolic and diastolic as components, sometimes one of them missing."""
    chart = scene.chart
    draws, person = chart.draws, chart.life.person
    tense = "hypertension" in person.conditions
    systolic = draws.gauss(118.0 + 16.0 * tense + 0.15 * (person.age_at(minute) - 50.0), 11.0)
    diastolic = draws.gauss(73.0 + 7.0 * tense, 7.0)
    if minute >= chart.until:
        return
    parts = [_component("8480-6", "Systolic blood pressure", systolic)]
    if draws.random() > 0.02:
        parts.append(_component("8462-4", "Diastolic blood pressure", min(diastolic, systolic - 15.0)))
    chart.add(
        "Observation",
        f"{head('Observation', chart.new_id(), minute, 'blood-pressure')},"
        f'"status":"final{chart.house.panels[scene.organization]}{scene.subject}{scene.encounter}'
        f'"effectiveDateTime":"{fhir_datetime(minute)}","issued":"{fhir_datetime(minute)}",'
        f'"component":[{",".join(parts)}]}}\n',
    )


def _component(code: str, display: str, value: float) -> str:
    return (
        f'{{"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}","display":"{display}"}}]}},'
        f'"valueQuantity":{{"value":{value:.0f},"unit":"mmHg","system":"http://unitsofmeasure.org",'
        '"code":"mm[Hg]"}}'
    )


__all__ = ["write_blood_pressure", "write_habitus", "write_labs", "write_quantity", "write_vitals"]
