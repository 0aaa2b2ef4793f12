"""The risks are what they are said to be, and the record realises what was drawn from them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from math import exp, log

import msgspec
import pytest

from medcairn.core.errors import UsageError
from medcairn.synthetic import TrueRisk, best_auroc, generate, true_risks
from medcairn.synthetic.auroc import RiskTally
from medcairn.synthetic.mechanism import diabetes_risk, mean_days_to_onset, readmission_risk

PATIENTS = 250
MANY = 3000
SEED = 11
END = datetime(2025, 6, 30, tzinfo=UTC)
MONTH, YEAR = timedelta(days=30), timedelta(days=365)


class Coding(msgspec.Struct):
    code: str


class Concept(msgspec.Struct):
    coding: list[Coding]


class Period(msgspec.Struct):
    start: datetime
    end: datetime | None = None


class Reference(msgspec.Struct):
    reference: str


class Hospitalization(msgspec.Struct, rename="camel"):
    discharge_disposition: Concept | None = None


class Encounter(msgspec.Struct):
    class_: Coding = msgspec.field(name="class")
    type: list[Concept] = []
    subject: Reference = msgspec.field(default_factory=lambda: Reference(""))
    period: Period = msgspec.field(default_factory=lambda: Period(END))
    hospitalization: Hospitalization | None = None

    @property
    def alive_at_end(self) -> bool:
        out = self.hospitalization.discharge_disposition if self.hospitalization else None
        return self.period.end is not None and out is not None and out.coding[0].code != "exp"


class Condition(msgspec.Struct, rename="camel"):
    code: Concept
    subject: Reference
    verification_status: Concept
    recorded_date: datetime


class Patient(msgspec.Struct, rename="camel"):
    id: str
    deceased_date_time: datetime | None = None


class Story:
    """The emitted record of all patients, as a reader of the files would see it."""

    def __init__(self) -> None:
        self.encounters: dict[str, list[Encounter]] = {}
        self.diabetes: dict[str, datetime] = {}
        self.deaths: dict[str, datetime] = {}
        for resource_type, line in generate(PATIENTS, SEED):
            if resource_type == "Encounter":
                encounter = msgspec.json.decode(line, type=Encounter)
                self.encounters.setdefault(_who(encounter.subject), []).append(encounter)
            elif resource_type == "Condition":
                self._condition(msgspec.json.decode(line, type=Condition))
            elif resource_type == "Patient":
                patient = msgspec.json.decode(line, type=Patient)
                if patient.deceased_date_time is not None:
                    self.deaths[patient.id] = patient.deceased_date_time

    def _condition(self, condition: Condition) -> None:
        diabetic = {"44054006", "E11.9"} & {item.code for item in condition.code.coding}
        if diabetic and condition.verification_status.coding[0].code == "confirmed":
            who = _who(condition.subject)
            self.diabetes[who] = min(self.diabetes.get(who, END), condition.recorded_date)

    def stays(self, who: str) -> list[Encounter]:
        return [item for item in self.encounters[who] if item.class_.code == "IMP"]


def _who(subject: Reference) -> str:
    return subject.reference.removeprefix("Patient/")


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


def _rank_auroc(events: list[TrueRisk]) -> float:
    """The AUROC from mid-ranks, written apart from the code under test."""
    ordered = sorted(event.risk for event in events)
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for place, risk in enumerate(ordered, start=1):
        first.setdefault(risk, place)
        last[risk] = place
    positive = [event.risk for event in events if event.outcome]
    ranks = sum((first[risk] + last[risk]) / 2 for risk in positive)
    count = len(positive)
    return (ranks - count * (count + 1) / 2) / (count * (len(events) - count))


@cache
def _events(task: str, seed: int) -> list[TrueRisk]:
    return list(true_risks(task, patients=MANY, seed=seed))


def _index_key(event: TrueRisk) -> tuple[str, datetime, bool]:
    return event.subject_id, event.prediction_time, event.outcome


def test_readmissions_in_the_record_are_those_that_were_drawn(story: Story) -> None:
    found = []
    for who in story.encounters:
        for stay in story.stays(who):
            stop = stay.period.end
            if stop is None or not stay.alive_at_end or stop + MONTH > END:
                continue
            back = any(stop < later.period.start <= stop + MONTH for later in story.stays(who))
            found.append((who, stop, back))
    drawn = [_index_key(event) for event in true_risks("readmission_30d", patients=PATIENTS, seed=SEED)]
    assert sorted(found) == sorted(drawn)
    assert len(drawn) > PATIENTS


def test_every_readmission_is_unplanned_and_clear_of_the_limit(story: Story) -> None:
    for who in story.encounters:
        for stay, following in pairwise(story.stays(who)):
            assert stay.period.end is not None
            apart = following.period.start - stay.period.end
            assert timedelta(days=1) <= apart
            if apart <= MONTH:
                assert following.type[0].coding[0].code == "183452005"
                assert apart < timedelta(days=29)
            else:
                assert apart >= timedelta(days=31)


def test_diabetes_in_the_record_is_what_was_drawn(story: Story) -> None:
    found = []
    for who, encounters in story.encounters.items():
        onset = story.diabetes.get(who, END)
        for visit in encounters:
            at = visit.period.start
            watched = at + YEAR <= min(END, story.deaths.get(who, END))
            if visit.class_.code == "AMB" and watched and at < onset:
                found.append((who, at, onset <= at + YEAR and onset < END))
    drawn = [_index_key(event) for event in true_risks("diabetes_onset_1y", patients=PATIENTS, seed=SEED)]
    assert sorted(found) == sorted(drawn)


def test_no_death_within_a_month_of_a_discharge_hides_the_outcome(story: Story) -> None:
    """Who dies within a month of a discharge dies in the readmission: the outcome came first."""
    assert story.deaths
    for who, died in story.deaths.items():
        stays = story.stays(who)
        for stay in stays:
            if stay.alive_at_end:
                assert stay.period.end is not None
                returned = any(stay.period.end < later.period.start < died for later in stays)
                assert returned or died > stay.period.end + MONTH
            else:
                assert stay.period.end == died


@pytest.mark.parametrize(
    ("task", "low", "high"), [("readmission_30d", 0.78, 0.82), ("diabetes_onset_1y", 0.83, 0.87)]
)
def test_best_reachable_auroc(task: str, low: float, high: float) -> None:
    events = _events(task, 1)
    best = best_auroc(task, patients=MANY, seed=1)
    assert low < best < high
    assert best == pytest.approx(_rank_auroc(events), abs=1e-4)


@pytest.mark.parametrize("task", ["readmission_30d", "diabetes_onset_1y"])
def test_risks_are_calibrated_by_tenths(task: str) -> None:
    """The outcome is drawn from the risk and from nothing else: expected and seen agree in each tenth."""
    events = sorted(_events(task, 1), key=lambda event: event.risk)
    size = len(events) // 10
    for start in range(0, size * 10, size):
        tenth = events[start : start + size]
        expected = sum(event.risk for event in tenth)
        # Index events of one person share an onset, so the spread is wider than binomial: up to seven visits.
        spread = (7 * sum(event.risk * (1 - event.risk) for event in tenth)) ** 0.5
        assert abs(sum(event.outcome for event in tenth) - expected) < 3 * spread


def test_shares_that_the_tasks_need() -> None:
    readmission = _events("readmission_30d", 1)
    share = sum(event.outcome for event in readmission) / len(readmission)
    assert 0.20 <= share <= 0.25
    assert 2.0 <= len(readmission) / MANY <= 3.0
    diabetes = _events("diabetes_onset_1y", 1)
    assert 0.03 <= sum(event.outcome for event in diabetes) / len(diabetes) <= 0.10


def test_index_dates_are_spread_over_years() -> None:
    years = {
        event.prediction_time.year for event in true_risks("readmission_30d", patients=PATIENTS, seed=SEED)
    }
    assert {2021, 2022, 2023, 2024, 2025} <= years


def test_risks_move_the_way_the_documentation_says() -> None:
    usual: dict[str, float] = {"haemoglobin": 12, "sodium": 138, "creatinine": 1, "age": 65, "support": 0}

    def risk(
        prior: int = 0, days: float = 4, emergency: bool = False, burden: int = 1, **changed: float
    ) -> float:
        facts = {**usual, **changed}
        return readmission_risk(
            prior=prior,
            days=days,
            emergency=emergency,
            burden=burden,
            haemoglobin=facts["haemoglobin"],
            sodium=facts["sodium"],
            creatinine=facts["creatinine"],
            age=facts["age"],
            support=facts["support"],
        )

    worse = [
        risk(prior=2),
        risk(days=9),
        risk(emergency=True),
        risk(burden=3),
        risk(haemoglobin=9),
        risk(sodium=130),
        risk(creatinine=2),
        risk(age=80),
        risk(support=-1),
    ]
    assert all(one > risk() for one in worse)


def test_the_wait_for_diabetes_has_the_risk_of_one_year() -> None:
    risk = diabetes_risk(hba1c=6.1, glucose=110, bmi=33, age=60, family=True, fate=0.0)
    assert 1 - exp(-365 / mean_days_to_onset(risk)) == pytest.approx(risk)
    assert mean_days_to_onset(0.5) == pytest.approx(365 / log(2))


def test_tally_of_tied_risks_counts_half() -> None:
    tally = RiskTally()
    for outcome in (True, True, False, False):
        tally.add(0.5, outcome)
    assert tally.auroc() == 0.5
    assert RiskTally().auroc() is None


def test_unknown_tasks_and_too_few_patients_are_refused() -> None:
    with pytest.raises(UsageError, match="mechanism"):
        best_auroc("length_of_stay", patients=10, seed=1)
    with pytest.raises(UsageError, match="Too few"):
        best_auroc("readmission_30d", patients=0, seed=1)
