"""Who the patients are: age, habitus, usual laboratory levels and the conditions they bring."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

from medcairn.synthetic.draws import Draws, opaque_key
from medcairn.synthetic.instants import DAY, YEAR_DAYS, office_minute
from medcairn.synthetic.mechanism import diabetes_risk, logistic, mean_days_to_onset

_PREVALENCE: dict[str, tuple[float, float, float]] = {
    "hypertension": (-0.1, 0.45, 0.25),
    "heart_failure": (-2.3, 0.5, 0.6),
    "copd": (-2.0, 0.3, 0.5),
    "ckd": (-1.9, 0.5, 0.45),
    "coronary_disease": (-1.7, 0.5, 0.4),
    "atrial_fibrillation": (-2.2, 0.6, 0.3),
    "cancer": (-2.5, 0.4, 0.3),
    "depression": (-1.5, -0.1, 0.3),
    "stroke": (-2.6, 0.5, 0.4),
    "asthma": (-2.1, -0.1, 0.1),
}
"""Log-odds of having it when records begin: at 60 years, per ten years of age, per unit of frailty."""

CAN_DEVELOP = tuple(_PREVALENCE)
"""Lasting conditions that may also begin later."""


@dataclass(slots=True)
class Levels:
    """A person's usual laboratory levels, in each analyte's first unit."""

    hba1c: float
    glucose: float
    haemoglobin: float
    sodium: float
    creatinine: float


@dataclass(slots=True)
class Person:
    """A patient as they are before anything happens. Minutes and days count from 1970-01-01."""

    index: int
    key: str
    female: bool
    birth_day: int
    enrolled: int
    frailty: float
    bmi: float
    height_cm: float
    family_diabetes: bool
    levels: Levels
    conditions: list[str]
    onset: int | None
    """When diabetes will be diagnosed: None when it was before enrolment."""
    onset_risk: float

    def age_at(self, minute: int) -> float:
        """Age in years."""
        return (minute / DAY - self.birth_day) / YEAR_DAYS


def draw_person(draws: Draws, *, seed: int, index: int, end: int) -> Person:
    """Patient ``index`` of the hospital with ``seed``, whose data end at minute ``end``."""
    female = draws.chance(0.52)
    age = draws.clipped(61.0, 17.0, 19.0, 101.0)
    birth_day = int(end / DAY - age * YEAR_DAYS)
    enrolled = office_minute(end // DAY - int(draws.between(1150, 1880)), draws.random())
    frailty = draws.gauss(0.0, 1.0)
    bmi = draws.clipped(28.5, 5.5, 17.0, 54.0)
    family = draws.chance(0.22)
    decades = (age - 60.0) / 10.0
    conditions = [
        name
        for name, (at_60, by_decade, by_frailty) in _PREVALENCE.items()
        if draws.chance(logistic(at_60 + by_decade * decades + by_frailty * frailty))
    ]
    diabetic = draws.chance(logistic(-2.3 + 0.25 * decades + 0.09 * (bmi - 28.5) + 0.5 * family))
    levels = _levels(draws, female=female, bmi=bmi, diabetic=diabetic, conditions=conditions)
    onset, risk = None, 0.0
    if not diabetic:
        risk = diabetes_risk(
            hba1c=levels.hba1c,
            glucose=levels.glucose,
            bmi=bmi,
            age=age,
            family=family,
            fate=draws.gauss(0.0, 1.0),
        )
        day = enrolled // DAY + 1 + int(draws.wait(mean_days_to_onset(risk)))
        onset = office_minute(day, draws.random())
    conditions += _signs(draws, bmi=bmi, hba1c=levels.hba1c, diabetic=diabetic, family=family)
    return Person(
        index=index,
        key=opaque_key(seed, index),
        female=female,
        birth_day=birth_day,
        enrolled=enrolled,
        frailty=frailty,
        bmi=bmi,
        height_cm=draws.clipped(162.0 if female else 176.0, 6.5, 140.0, 205.0),
        family_diabetes=family,
        levels=levels,
        conditions=conditions,
        onset=onset,
        onset_risk=risk,
    )


def _levels(draws: Draws, *, female: bool, bmi: float, diabetic: bool, conditions: list[str]) -> Levels:
    kidney, tumour = "ckd" in conditions, "cancer" in conditions
    if diabetic:
        hba1c = draws.clipped(7.5, 1.0, 6.5, 12.0)
    else:
        hba1c = draws.clipped(5.5 + 0.02 * (bmi - 28.5), 0.38, 4.6, 6.4)
    glucose = draws.clipped(95.0 + 22.0 * (hba1c - 5.5), 7.0, 66.0, 320.0)
    creatinine = (0.82 if female else 1.0) * exp(draws.gauss(0.45 if kidney else 0.0, 0.18))
    return Levels(
        hba1c=hba1c,
        glucose=glucose,
        haemoglobin=draws.clipped((13.2 if female else 14.4) - 1.4 * kidney - 1.0 * tumour, 1.0, 7.5, 18.0),
        sodium=draws.clipped(139.6 - 1.3 * ("heart_failure" in conditions), 1.9, 128.0, 148.0),
        creatinine=creatinine,
    )


def _signs(draws: Draws, *, bmi: float, hba1c: float, diabetic: bool, family: bool) -> list[str]:
    """Conditions that follow from what was drawn, where someone wrote them down."""
    found = ["diabetes"] if diabetic else []
    if bmi >= 30.0 and draws.chance(0.75):
        found.append("obesity")
    if not diabetic and hba1c >= 5.7 and draws.chance(0.4):
        found.append("prediabetes")
    if family and draws.chance(0.8):
        found.append("family_diabetes")
    return found


__all__ = ["CAN_DEVELOP", "Levels", "Person", "draw_person"]
