"""Where outcomes come from: the true risks.

A risk is the logistic of facts that the record shows, plus a part that it does not show. The outcome is
drawn from the risk, once, and the record then realises exactly what was drawn. So the AUROC of the true
risks against the outcomes is the best that any model can reach on these patients, up to chance; one that
does better has seen the outcome.

**Readmission within 30 days** (``readmission_30d``). Index: an inpatient discharge alive, at least 30 days
before the end of the data. Outcome: the next inpatient stay begins within 30 days. With

- *prior*: inpatient stays that began in the 365 days before this one, at most 3,
- *days*: length of this stay,
- *emergency*: 1 when the stay came through the emergency department,
- *burden*: count of recorded heart failure, COPD, CKD, coronary disease, atrial fibrillation, cancer,
  stroke, depression and diabetes, at most 6,
- *haemoglobin* (g/dL), *sodium* (mmol/L) and *creatinine* (mg/dL) towards discharge,
- *age* in years, and *support* at home after this stay, standard normal, which nobody writes down,

the log-odds are the sum in :func:`readmission_risk`. A readmission is unplanned (through the emergency
department) and comes 1 to 28.5 days after discharge; without one the next stay comes no sooner than 31 days
after. Nobody dies within 30 days of a discharge alive, save in the readmission itself, so death never hides
the outcome.

**Diabetes within a year** (``diabetes_onset_1y``). Index: an outpatient visit without a diabetes diagnosis
so far, at least 365 days before the end of the data and of life. Outcome: the first diabetes diagnosis
within 365 days. The year's risk comes from the person's level of HbA1c (%) and glucose (mg/dL), BMI (kg/m²),
age, family history, and *fate*, standard normal and unseen: :func:`diabetes_risk`. The hazard is constant in
time, so the risk is the same at every visit before onset. The record shows levels with the noise of single
measurements.
"""

from __future__ import annotations

from enum import StrEnum
from math import exp, log

BURDEN = frozenset(
    {
        "heart_failure",
        "copd",
        "ckd",
        "coronary_disease",
        "atrial_fibrillation",
        "cancer",
        "stroke",
        "depression",
        "diabetes",
    }
)
"""Lasting conditions that count for readmission."""


class Task(StrEnum):
    """The outcomes whose mechanism is known."""

    READMISSION = "readmission_30d"
    DIABETES = "diabetes_onset_1y"


READMISSION_DAYS = 30
DIABETES_DAYS = 365


def logistic(log_odds: float) -> float:
    """The probability with ``log_odds``."""
    return 1.0 / (1.0 + exp(-log_odds))


def readmission_risk(
    *,
    prior: int,
    days: float,
    emergency: bool,
    burden: int,
    haemoglobin: float,
    sodium: float,
    creatinine: float,
    age: float,
    support: float,
) -> float:
    """Probability of readmission within 30 days of a discharge; the module says what the terms are."""
    return logistic(
        -2.85
        + 0.34 * min(prior, 3)
        + 0.74 * log(days / 4.0)
        + 1.00 * emergency
        + 0.10 * min(burden, 6)
        + 0.28 * (12.0 - haemoglobin)
        + 0.17 * (137.5 - sodium)
        + 0.40 * log(creatinine)
        + 0.009 * (age - 65.0)
        - 0.40 * support
    )


def diabetes_risk(
    *, hba1c: float, glucose: float, bmi: float, age: float, family: bool, fate: float
) -> float:
    """Probability of a first diabetes diagnosis within 365 days, for someone who has none."""
    return logistic(
        -3.4
        + 2.85 * (hba1c - 5.6)
        + 0.04 * (glucose - 97.0)
        + 0.075 * (bmi - 28.5)
        + 0.02 * (age - 60.0)
        + 0.55 * family
        + 0.50 * fate
    )


def mean_days_to_onset(risk: float) -> float:
    """Mean of the exponential wait whose probability to end within 365 days is ``risk``."""
    return -DIABETES_DAYS / log(1.0 - risk)


__all__ = [
    "BURDEN",
    "DIABETES_DAYS",
    "READMISSION_DAYS",
    "Task",
    "diabetes_risk",
    "logistic",
    "mean_days_to_onset",
    "readmission_risk",
]
