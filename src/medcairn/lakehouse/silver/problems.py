"""What silver could not use, and why. Never what it says."""

from __future__ import annotations

from enum import StrEnum

from medcairn.core.concepts import Refusal


class Problem(StrEnum):
    """Why something is in silver's quarantine.

    The first group keeps a resource out. The second keeps the row, with the value, time or code at fault
    null: it could be read, and may not be used as a number, a time or a code.
    """

    NOT_JSON = "not_json"
    NO_SUBJECT = "no_subject"
    PROHIBITED = "prohibited"
    """An order not to give a medication (``doNotPerform``)."""

    IMPLAUSIBLE_VALUE = "implausible_value"
    NO_UNIT = "no_unit"
    UNKNOWN_UNIT = "unknown_unit"
    OTHER_DIMENSION = "other_dimension"
    """A unit that cannot be converted into the measurement's."""
    CENSORED_VALUE = "censored_value"
    PARTIAL_TIME = "partial_time"
    INVALID_TIME = "invalid_time"
    MEDICATION_BY_REFERENCE = "medication_by_reference"
    """A reference to a Medication that is not there."""

    @property
    def keeps_out(self) -> bool:
        """Whether there is no row of what has this problem."""
        return self in (Problem.NOT_JSON, Problem.NO_SUBJECT, Problem.PROHIBITED)

    @property
    def of_value(self) -> bool:
        """Whether it is a problem of one value, not of the resource as a whole."""
        return self in _OF_VALUE

    @property
    def bit(self) -> int:
        """This problem in a number that is the sum of several."""
        return 1 << list(Problem).index(self)


_OF_VALUE = frozenset(
    {
        Problem.IMPLAUSIBLE_VALUE,
        Problem.NO_UNIT,
        Problem.UNKNOWN_UNIT,
        Problem.OTHER_DIMENSION,
        Problem.CENSORED_VALUE,
    }
)

OF_REFUSAL = {
    Refusal.NO_UNIT: Problem.NO_UNIT.bit,
    Refusal.UNKNOWN_UNIT: Problem.UNKNOWN_UNIT.bit,
    Refusal.OTHER_DIMENSION: Problem.OTHER_DIMENSION.bit,
    Refusal.IMPLAUSIBLE: Problem.IMPLAUSIBLE_VALUE.bit,
    Refusal.NOT_FINITE: Problem.IMPLAUSIBLE_VALUE.bit,
}
"""Why a value has no canonical form, as problem bits."""


def problems_in(bits: int) -> list[Problem]:
    """The problems in a sum of bits."""
    return [problem for number, problem in enumerate(Problem) if bits >> number & 1]


__all__ = ["OF_REFUSAL", "Problem", "problems_in"]
