"""What de-identification counts: reasons as closed sets of words, so that a report cannot carry content."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum


class Reason(StrEnum):
    """Why a resource is in quarantine."""

    INVALID_JSON = "invalid_json"
    WRONG_SHAPE = "wrong_shape"
    UNKNOWN_TYPE = "unknown_type"
    OTHER_TYPE_THAN_FILE = "other_type_than_file"
    NO_ID = "no_id"
    MODIFIER_EXTENSION = "modifier_extension"
    IMPLICIT_RULES = "implicit_rules"


class Loss(StrEnum):
    """What was taken out of a resource that left."""

    REFERENCE_CONTAINED = "reference_contained"
    REFERENCE_CONDITIONAL = "reference_conditional"
    REFERENCE_OTHER_TYPE = "reference_other_type"
    REFERENCE_UNREADABLE = "reference_unreadable"
    REFERENCE_WITHOUT_TARGET = "reference_without_target"
    REFERENCE_QUARANTINED = "reference_quarantined"
    DATE_WITHOUT_SUBJECT = "date_without_subject"
    DATE_UNREADABLE = "date_unreadable"
    DATE_TELLS_AGE = "date_tells_age"
    DATE_OUT_OF_RANGE = "date_out_of_range"
    AGE_OVER_89 = "age_over_89"
    VALUE_TELLS_AGE = "value_tells_age"
    VALUE_IDENTIFIES = "value_identifies"
    CODE_WITHOUT_SYSTEM = "code_without_system"
    CODE_OF_OTHER_SYSTEM = "code_of_other_system"
    CODE_MALFORMED = "code_malformed"
    UNIT_NOT_LISTED = "unit_not_listed"
    STATE_NOT_LISTED = "state_not_listed"
    COUNTRY_NOT_LISTED = "country_not_listed"
    URI_NOT_LISTED = "uri_not_listed"
    LINK_ID_NOT_CLOSED = "link_id_not_closed"
    TIME_UNREADABLE = "time_unreadable"


class Tally:
    """Running counts of one part of the work."""

    __slots__ = ("left", "lost", "quarantined", "read")

    def __init__(self) -> None:
        self.read: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self.quarantined: Counter[tuple[str, Reason]] = Counter()
        self.lost: Counter[Loss] = Counter()

    def add(self, other: Tally) -> None:
        """Take in the counts of another part."""
        self.read.update(other.read)
        self.left.update(other.left)
        self.quarantined.update(other.quarantined)
        self.lost.update(other.lost)


__all__ = ["Loss", "Reason", "Tally"]
