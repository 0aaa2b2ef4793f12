"""Rules that include or exclude index dates, by what was known then.

Every rule says something about an index date that holds, does not hold, or cannot be said (an unknown age,
an unknown sex). Inclusion keeps where it holds; exclusion keeps where it is sure not to hold.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from medcairn.features.policy_file import PolicyRecord

_Days = Annotated[int, Field(gt=0, le=36_500)]


class AgeBelow(PolicyRecord):
    """An age below ``years``."""

    rule: Literal["age_below"]
    years: int = Field(ge=0, le=120)


class AgeAtLeast(PolicyRecord):
    """An age of ``years`` or more."""

    rule: Literal["age_at_least"]
    years: int = Field(ge=0, le=89)


class Sex(PolicyRecord):
    """An administrative sex (FHIR AdministrativeGender)."""

    rule: Literal["sex"]
    is_: Literal["female", "male"] = Field(alias="is")


class DiedInStay(PolicyRecord):
    """A stay that ended with death."""

    rule: Literal["died_in_stay"]


class EverBefore(PolicyRecord):
    """A condition, medication or procedure of these concepts, ever or ``within_days`` before."""

    rule: Literal["ever_before"]
    concepts: tuple[str, ...] = Field(min_length=1)
    within_days: _Days | None = None


class _Measured(PolicyRecord):
    concept: str
    value: float = Field(allow_inf_nan=False)
    within_days: _Days | None = None
    days_before: int = Field(default=0, ge=0, le=36_500)


class MeasuredAtLeast(_Measured):
    """A measurement of at least ``value`` (canonical unit), ever or ``within_days`` before."""

    rule: Literal["measured_at_least"]


class MeasuredBelow(_Measured):
    """A measurement below ``value`` (canonical unit), ever or ``within_days`` before.

    With ``days_before`` it is at least that old, so that with the index's own it shows a lasting state.
    """

    rule: Literal["measured_below"]


class EncounterBefore(PolicyRecord):
    """An encounter of one of these classes (HL7 v3 ActCode) began, ever or ``within_days`` before."""

    rule: Literal["encounter_before"]
    classes: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2,8}$")], ...] = Field(min_length=1)
    within_days: _Days | None = None


Rule = Annotated[
    AgeBelow | AgeAtLeast | Sex | DiedInStay | EverBefore | MeasuredAtLeast | MeasuredBelow | EncounterBefore,
    Field(discriminator="rule"),
]


def step_name(rule: Rule, *, include: bool) -> str:
    """What is left after the rule, as the flow names it."""
    if isinstance(rule, (AgeBelow, AgeAtLeast)):
        below = isinstance(rule, AgeBelow) is include
        return f"age_{'below' if below else 'at_least'}_{rule.years}"
    if isinstance(rule, Sex):
        return rule.is_ if include else f"not_{rule.is_}"
    if isinstance(rule, DiedInStay):
        return "died_in_stay" if include else "left_stay_alive"
    if isinstance(rule, EverBefore):
        return ("before_" if include else "never_before_") + "_".join(rule.concepts) + _span(rule.within_days)
    if isinstance(rule, EncounterBefore):
        return (
            ("encounter_" if include else "no_encounter_") + "_".join(rule.classes) + _span(rule.within_days)
        )
    above = isinstance(rule, MeasuredAtLeast) is include
    span = _span(rule.within_days) + (f"_{rule.days_before}d_before" if rule.days_before else "")
    return f"{rule.concept}_{'at_least' if above else 'below'}_{rule.value:g}{span}"


def reason_removed(rule: Rule, *, include: bool) -> str:
    """Why rows go at the rule, as the flow says it."""
    no = "No " if include else ""
    if isinstance(rule, (AgeBelow, AgeAtLeast)):
        below = isinstance(rule, AgeBelow) is include
        says = f"Aged {rule.years} or more" if below else f"Younger than {rule.years}"
        return f"{says}, or age not known"
    if isinstance(rule, Sex):
        return f"Not {rule.is_}" if include else f"{rule.is_.capitalize()}, or sex not known"
    if isinstance(rule, DiedInStay):
        return "Left the stay alive" if include else "Died in the stay"
    if isinstance(rule, EverBefore):
        names = " or ".join(name.replace("_", " ") for name in rule.concepts)
        return f"{no}{names}{_when(rule.within_days)}"
    if isinstance(rule, EncounterBefore):
        return f"{no}encounter ({', '.join(rule.classes)}){_when(rule.within_days)}"
    limit = f"{rule.value:g} or more" if isinstance(rule, MeasuredAtLeast) else f"below {rule.value:g}"
    age = f", at least {rule.days_before} days old" if rule.days_before else ""
    return f"{no}{rule.concept.replace('_', ' ')} {limit}{_when(rule.within_days)}{age}"


def _when(within_days: int | None) -> str:
    return " before the index date" if within_days is None else f" in the {within_days} days before"


def _span(within_days: int | None) -> str:
    return "" if within_days is None else f"_within_{within_days}d"


__all__ = [
    "AgeAtLeast",
    "AgeBelow",
    "DiedInStay",
    "EncounterBefore",
    "EverBefore",
    "MeasuredAtLeast",
    "MeasuredBelow",
    "Rule",
    "Sex",
    "reason_removed",
    "step_name",
]
