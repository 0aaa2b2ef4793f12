"""MedicationRequest, -Statement, -Dispense and -Administration in one shape.

A prescription is known when written, a statement when asserted, a dispense when handed over, a dose when its
giving was over; none before its start. Supplies are in days. An order not to give (``doNotPerform``) is no
medication and has no row.
"""

from __future__ import annotations

from collections.abc import Sequence

from medcairn.core.concepts import Kind
from medcairn.lakehouse.silver.codings import Coding, coded
from medcairn.lakehouse.silver.problems import Problem
from medcairn.lakehouse.silver.times import timed
from medcairn.lakehouse.silver.typed.recipe import Own, Profile, Recipe, Share, Typed, later

_Text = str | None
_Number = float | None
_DAYS = {
    "d": 1.0,
    "day": 1.0,
    "days": 1.0,
    "wk": 7.0,
    "week": 7.0,
    "weeks": 7.0,
    "mo": 30.4375,
    "month": 30.4375,
    "months": 30.4375,
    "a": 365.25,
    "year": 365.25,
    "years": 365.25,
    "h": 1 / 24,
}
"""Days in units of time: UCUM's mean Julian month and year."""


def _shared(
    resource_type: str,
    codings: Sequence[Coding],
    status: str | None,
    intent: str | None = None,
    quantity_unit: str | None = None,
    refills: int | None = None,
    days: float | None = None,
) -> Profile:
    values = (resource_type, status, intent, *coded(codings, Kind.MEDICATION), quantity_unit, refills)
    return Profile(values, rule=days)


def _first(code: str | None, text: str | None) -> str | None:
    return code if code is not None else text


def _days(code: str | None, text: str | None) -> float | None:
    return _DAYS.get(code or "") or _DAYS.get((text or "").lower())


def _request_profile(
    shared: tuple[_Text, _Text, bool | None, int | None, _Text, _Text, _Text, _Text, str],
    codings: Sequence[Coding],
) -> Profile:
    status, intent, prohibits, refills, supply, supply_text, unit, unit_text, _ = shared
    profile = _shared(
        "MedicationRequest",
        codings,
        status,
        intent,
        _first(unit, unit_text),
        refills,
        _days(supply, supply_text),
    )
    if prohibits:
        profile.problems = Problem.PROHIBITED.bit
    return profile


def _statement_profile(shared: tuple[_Text, str], codings: Sequence[Coding]) -> Profile:
    return _shared("MedicationStatement", codings, shared[0])


def _dispense_profile(
    shared: tuple[_Text, _Text, _Text, _Text, _Text, str], codings: Sequence[Coding]
) -> Profile:
    status, supply, supply_text, unit, unit_text, _ = shared
    days = _days(supply, supply_text) if supply or supply_text else 1.0  # the element is called daysSupply
    return _shared("MedicationDispense", codings, status, quantity_unit=_first(unit, unit_text), days=days)


def _administration_profile(shared: tuple[_Text, _Text, _Text, str], codings: Sequence[Coding]) -> Profile:
    status, unit, unit_text, _ = shared
    return _shared("MedicationAdministration", codings, status, quantity_unit=_first(unit, unit_text))


def _row(
    profile: Profile,
    subject: str | None,
    id: str,
    encounter: str | None,
    began: str | None,
    ended: str | None,
    known: str | None,
    authored: str | None = None,
    supply: float | None = None,
    quantity: float | None = None,
) -> Typed:
    start_time, no_start = timed(began)
    end_time, no_end = timed(ended)
    known_time, not_known = timed(known)
    problems = profile.problems | no_start | no_end | not_known
    days = supply * profile.rule if supply is not None and profile.rule is not None else None
    return (
        profile,
        problems,
        subject,
        later(known_time, start_time),
        id,
        encounter,
        start_time,
        end_time,
        timed(authored)[0],
        days,
        quantity,
    )


def _request(
    profile: Profile,
    subject: _Text,
    id: str,
    encounter: _Text,
    authored: _Text,
    end: _Text,
    dosage_end: _Text,
    supply: _Number,
    quantity: _Number,
    *_: _Text,
) -> Typed:
    ended = end if end is not None else dosage_end
    return _row(profile, subject, id, encounter, authored, ended, authored, authored, supply, quantity)


def _statement(
    profile: Profile,
    subject: _Text,
    id: str,
    encounter: _Text,
    start: _Text,
    period_start: _Text,
    end: _Text,
    asserted: _Text,
    *_: _Text,
) -> Typed:
    return _row(profile, subject, id, encounter, _first(start, period_start), end, asserted)


def _dispense(
    profile: Profile,
    subject: _Text,
    id: str,
    encounter: _Text,
    prepared: _Text,
    handed_over: _Text,
    supply: _Number,
    quantity: _Number,
    *_: _Text,
) -> Typed:
    at = _first(handed_over, prepared)
    return _row(profile, subject, id, encounter, at, None, at, None, supply, quantity)


def _administration(
    profile: Profile,
    subject: _Text,
    id: str,
    encounter: _Text,
    start: _Text,
    period_start: _Text,
    end: _Text,
    quantity: _Number,
    *_: _Text,
) -> Typed:
    began = _first(start, period_start)
    return _row(profile, subject, id, encounter, began, end, end, quantity=quantity)


def _recipe(resource_type: str, view: str, shared_from: int, typed: Own, profile: Share) -> Recipe:
    return Recipe(
        resource_type,
        "medication",
        view,
        own=(
            "medication_id",
            "encounter_id",
            "start_time",
            "end_time",
            "authored_time",
            "days_supply",
            "quantity",
        ),
        shared=(
            "resource_type",
            "status",
            "intent",
            "system",
            "code",
            "codings",
            "concepts",
            "quantity_unit",
            "refills",
        ),
        shared_from=shared_from,
        typed=typed,
        profile=profile,
        reference=shared_from - 2,
    )


RECIPES = (
    _recipe("MedicationRequest", "medication_request", 10, _request, _request_profile),
    _recipe("MedicationStatement", "medication_statement", 9, _statement, _statement_profile),
    _recipe("MedicationDispense", "medication_dispense", 9, _dispense, _dispense_profile),
    _recipe(
        "MedicationAdministration",
        "medication_administration",
        9,
        _administration,
        _administration_profile,
    ),
)

__all__ = ["RECIPES"]
