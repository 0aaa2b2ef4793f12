"""The resource at hand: whose axis its dates lie on, what it lost, and what its code says about its value."""

from __future__ import annotations

from enum import StrEnum

from medcairn.deid.axis import Axis, read_moment
from medcairn.deid.calendar import Calendar, in_precision_of
from medcairn.deid.tally import Loss

_MOVED_LIMIT = 10_000


class Telling(StrEnum):
    """What the value of an observation tells, by its code."""

    AGE = "age"
    IDENTITY = "identity"


class Passage:
    """One process's place in its work, which every change of an element looks at.

    ``lost`` grows by what each resource loses. ``moved`` holds dates already moved on the axis at hand.
    A change that looks at the subject or at the code beside it says so in ``asked``: its result holds for
    this resource alone, and must not be remembered.
    """

    __slots__ = ("_calendar", "_floor_year", "asked", "axis", "lost", "moved", "shift", "telling")

    def __init__(self) -> None:
        self.lost: list[Loss] = []
        self.moved: dict[str, bytes] = {}
        self.asked = False
        self.telling: Telling | None = None
        self._calendar = Calendar()
        self.enter(None)

    def enter(self, axis: Axis | None) -> None:
        """Begin a resource whose dates lie on ``axis``; None: no subject, so no dates."""
        self.axis = axis
        self.shift: int | None = None if axis is None else axis.shift
        self._floor_year = 1 if axis is None else axis.floor_year
        self.moved.clear()

    def over_89(self) -> bool:
        """Whether the subject is, or for all we know may be, over 89."""
        self.asked = True
        return self.axis is None or self.axis.over_89

    def move(self, text: str) -> bytes | None:
        """A date on the moved axis as JSON, or None when it is withheld."""
        self.asked = True
        shift = self.shift
        if shift is None:
            self.lost.append(Loss.DATE_WITHOUT_SUBJECT)
            return None
        moved = self._calendar.moved(text, shift)
        if moved is not None and moved[0] >= self._floor_year:
            found = f'"{moved[1]}"'.encode()
        else:
            other = self._move_any(text, shift)
            if other is None:
                return None
            found = other.encode()
        if len(self.moved) >= _MOVED_LIMIT:
            self.moved.clear()
        self.moved[text] = found
        return found

    def _move_any(self, text: str, shift: int) -> str | None:
        loss = Loss.DATE_UNREADABLE
        moment = read_moment(text)
        if moment is not None:
            loss = Loss.DATE_OUT_OF_RANGE
            day = self._calendar.day(moment.toordinal() + shift)
            if day is not None:
                if day[0] >= self._floor_year:
                    return f'"{in_precision_of(text, day[1], moment)}"'
                loss = Loss.DATE_TELLS_AGE
        self.lost.append(loss)
        return None

    def birth_year(self) -> bytes | None:
        """The year of birth as it may leave, as JSON."""
        self.asked = True
        year = None if self.axis is None else self.axis.birth_year
        if year is None:
            self.lost.append(Loss.DATE_UNREADABLE)
            return None
        return f'"{year:04d}"'.encode()


__all__ = ["Passage", "Telling"]
