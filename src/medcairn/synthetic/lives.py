"""What happens to a patient: visits, emergencies, stays, diagnoses, death, and the outcomes drawn.

A life is drawn event by event. Nothing of it is FHIR yet; :mod:`medcairn.synthetic.charts` writes it down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import exp, log

from medcairn.synthetic.codes import MILD, SEVERE
from medcairn.synthetic.draws import Draws, Stream
from medcairn.synthetic.instants import DAY, HOUR, YEAR_DAYS, office_minute
from medcairn.synthetic.mechanism import (
    BURDEN,
    DIABETES_DAYS,
    READMISSION_DAYS,
    readmission_risk,
)
from medcairn.synthetic.people import CAN_DEVELOP, Levels, Person, draw_person

_YEAR = int(YEAR_DAYS * DAY)
_NEVER = 1 << 60


class Kind(StrEnum):
    """Encounter classes of HL7 v3 ActCode."""

    AMBULATORY = "AMB"
    EMERGENCY = "EMER"
    INPATIENT = "IMP"


@dataclass(slots=True)
class Contact:
    """One encounter. ``end`` is None while it lasts at the end of the data."""

    kind: Kind
    start: int
    end: int | None
    levels: Levels
    reason: int | None = None
    emergency: bool = False
    disposition: str = ""
    diagnosing: bool = False


@dataclass(slots=True)
class Problem:
    """A lasting condition and the minute at which it was first written down, in contact ``contact``."""

    name: str
    recorded: int
    contact: int


@dataclass(slots=True)
class Index:
    """An index event: its minute, the true risk at it, and the outcome that was drawn."""

    minute: int
    risk: float
    outcome: bool


@dataclass(slots=True)
class Life:
    """All that happened to one patient before the end of the data."""

    person: Person
    contacts: list[Contact] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    death: int | None = None
    onset: int | None = None
    readmissions: list[Index] = field(default_factory=list)
    diabetes: list[Index] = field(default_factory=list)


def draw_life(seed: int, index: int, end: int) -> Life:
    """The life of patient ``index``; depends on ``seed``, ``index`` and ``end`` (minute) alone."""
    draws = Draws(seed, index, Stream.LIFE)
    person = draw_person(draws, seed=seed, index=index, end=end)
    return _Course(draws, person, end).run()


class _Course:
    """The unfolding of one life: the next of each kind of event, and the clock."""

    def __init__(self, draws: Draws, person: Person, end: int) -> None:
        self.draws = draws
        self.person = person
        self.end = end
        self.life = Life(person)
        self.known: set[str] = set()
        self.clock = person.enrolled
        self.stays: list[int] = []
        self.returning = False
        burden = len(BURDEN.intersection(person.conditions))
        rate = 0.34 * exp(0.40 * person.frailty + 0.22 * burden + 0.012 * (person.age_at(end) - 60))
        self.admission_wait = _YEAR / min(rate, 1.8)
        self.visit_wait = 175 * DAY / (1 + 0.12 * burden)
        self.emergency_wait = _YEAR / (0.3 * exp(0.3 * person.frailty))
        mortality = 0.007 * exp(0.07 * (person.age_at(end) - 65) + 0.3 * person.frailty + 0.12 * burden)
        self.death = person.enrolled + DAY + int(draws.wait(_YEAR / min(mortality, 0.35)))
        self.next_visit = person.enrolled
        self.next_emergency = person.enrolled + DAY + int(draws.wait(self.emergency_wait))
        self.next_admission = person.enrolled + DAY + int(draws.wait(self.admission_wait))
        self.onset = _NEVER if person.onset is None else person.onset

    def run(self) -> Life:
        while True:
            at = min(self.next_visit, self.next_emergency, self.next_admission, self.onset)
            if max(at, self.clock) >= min(self.end, self.death):
                break
            if at == self.next_visit:
                self._visit(max(at, self.clock))
            elif at == self.next_emergency:
                self._emergency(max(at, self.clock))
            elif at == self.next_admission:
                self._stay(max(at, self.clock))
            else:
                self._diagnosis(max(at, self.clock))
        if self.death < self.end:
            self.life.death = self.death
        self._index_diabetes()
        return self.life

    def _add(self, contact: Contact) -> None:
        self.life.contacts.append(contact)
        self.clock = self.end if contact.end is None else contact.end + 10

    def _record(self, name: str, minute: int) -> None:
        if name not in self.known:
            self.known.add(name)
            self.life.problems.append(Problem(name, minute, len(self.life.contacts)))

    def _visit(self, at: int) -> None:
        draws = self.draws
        start = office_minute(at // DAY, draws.random())
        if start < self.clock:
            start = office_minute(at // DAY + 1, draws.random())
        if start + HOUR >= min(self.end, self.death):
            self.next_visit = _NEVER
            return
        if not self.life.contacts:
            for name in self.person.conditions:
                self._record(name, start)
        elif draws.chance(0.035):
            self._record(draws.pick(CAN_DEVELOP), start)
        reason = draws.pick(MILD) if draws.chance(0.3) else None
        length = int(draws.between(15, 50))
        self._add(Contact(Kind.AMBULATORY, start, start + length, self._levels(), reason))
        self.next_visit = start + 10 * DAY + int(draws.wait(self.visit_wait))

    def _diagnosis(self, at: int) -> None:
        """A visit at which diabetes is found; the only way into the record for those who develop it."""
        if at + HOUR >= min(self.end, self.death):
            self.onset = _NEVER
            return
        self._found(at)
        levels = self._levels()
        self._add(Contact(Kind.AMBULATORY, at, at + 30, levels, diagnosing=True))

    def _found(self, at: int) -> None:
        self.life.onset = at
        self.onset = _NEVER
        self._record("diabetes", at)
        mine = self.person.levels
        raised = max(6.5, mine.hba1c + self.draws.between(0.5, 1.4))
        self.person.levels = Levels(
            raised, 95 + 24 * (raised - 5.5), mine.haemoglobin, mine.sodium, mine.creatinine
        )

    def _emergency(self, at: int) -> None:
        draws = self.draws
        stop = at + int(draws.between(2, 8) * HOUR)
        self.next_emergency = stop + DAY + int(draws.wait(self.emergency_wait))
        if stop < min(self.end, self.death):
            self._add(Contact(Kind.EMERGENCY, at, stop, self._levels(), draws.pick(MILD), disposition="home"))

    def _levels(self, *, ill: float = 0.0) -> Levels:
        """Levels around one contact; ``ill`` from 0 (as usual) to 1 (an acute illness)."""
        mine, draws = self.person.levels, self.draws
        if not ill:
            return mine
        return Levels(
            hba1c=mine.hba1c,
            glucose=mine.glucose + abs(draws.gauss(12.0, 15.0)),
            haemoglobin=min(max(mine.haemoglobin - draws.gauss(1.2, 1.3), 6.0), 18.0),
            sodium=min(max(mine.sodium - draws.gauss(1.2, 3.2), 120.0), 152.0),
            creatinine=min(max(mine.creatinine * exp(draws.gauss(0.12, 0.28)), 0.35), 9.0),
        )

    def _stay(self, at: int) -> None:
        draws, person = self.draws, self.person
        emergency = self.returning or draws.chance(0.55)
        self.returning = False
        if emergency and at - 5 * HOUR > self.clock:
            arrival = at - int(draws.between(1, 5) * HOUR)
            reason = draws.pick(SEVERE)
            self._add(
                Contact(Kind.EMERGENCY, arrival, at, self._levels(), reason, emergency=True, disposition="")
            )
        else:
            reason = draws.pick(SEVERE)
        days = draws.clipped(log(3.7) + 0.08 * person.frailty, 0.72, log(0.8), log(28.0))
        stop = at + int(exp(days) * DAY)
        stay = Contact(Kind.INPATIENT, at, stop, self._levels(ill=1.0), reason, emergency)
        prior = sum(at - start <= 365 * DAY for start in self.stays)
        self.stays.append(at)
        if at <= self.onset < min(stop, self.end):
            self._found(self.onset)
        if stop >= self.end:
            stay.end = None
            self.death = _NEVER
            self._add(stay)
            return
        self._add(stay)
        dying = 0.012 * exp(0.4 * person.frailty + 0.025 * (person.age_at(at) - 65))
        if draws.chance(min(dying, 0.2)):
            stay.disposition = "exp"
            self.death = stop
            return
        self._discharge(stay, stop, prior)

    def _discharge(self, stay: Contact, stop: int, prior: int) -> None:
        draws, person = self.draws, self.person
        stay.disposition = draws.pick(
            ("home", "home", "home", "home", "home", "snf", "snf", "rehab", "aadvice")
        )
        risk = readmission_risk(
            prior=prior,
            days=(stop - stay.start) / DAY,
            emergency=stay.emergency,
            burden=len(BURDEN.intersection(self.known)),
            haemoglobin=stay.levels.haemoglobin,
            sodium=stay.levels.sodium,
            creatinine=stay.levels.creatinine,
            age=person.age_at(stop),
            support=draws.gauss(0.0, 1.0),
        )
        back = self.returning = draws.chance(risk)
        if back:
            self.next_admission = stop + int(draws.between(1.0, 28.5) * DAY)
        else:
            self.next_admission = stop + 31 * DAY + int(draws.wait(self.admission_wait))
        if stop + READMISSION_DAYS * DAY <= self.end:
            self.life.readmissions.append(Index(stop, risk, back))
        if self.death <= stop + (READMISSION_DAYS + 1) * DAY:
            self.death = stop + int(draws.between(32, 60) * DAY)
        if draws.chance(0.55):
            self.next_visit = min(self.next_visit, stop + int(draws.between(6, 15) * DAY))
        self.next_visit = max(self.next_visit, stop + 5 * DAY)
        self.next_emergency = max(self.next_emergency, stop + DAY)

    def _index_diabetes(self) -> None:
        life, alive = self.life, min(self.death, self.end)
        if self.person.onset is None:
            return
        for contact in life.contacts:
            horizon = contact.start + DIABETES_DAYS * DAY
            if contact.kind is not Kind.AMBULATORY or horizon > alive:
                continue
            if life.onset is not None and life.onset <= contact.start:
                break
            outcome = life.onset is not None and life.onset <= horizon
            life.diabetes.append(Index(contact.start, self.person.onset_risk, outcome))


__all__ = ["Contact", "Index", "Kind", "Life", "Problem", "draw_life"]
