"""Who is in a cohort, and what their label is: stays and visits in, rows out."""

from __future__ import annotations

from typing import Any

import pytest

from medcairn.features import Cohort, Task, find_cohort, load_task
from medcairn.features.silver_columns import NO_TIME
from medcairn.features.subjects import latest_available

from .silver_rows import Silver, at

READMISSION = load_task("readmission_30d")
ONSET = load_task("diabetes_onset_1y")
END = "2025-06-30"


def cohort(silver: Silver, task: Task, end: str = END) -> Cohort:
    return find_cohort(silver.tables(), task, dataset_end=int(at(end).timestamp()) * 1_000_000)


def labels(silver: Silver, task: Task = READMISSION, end: str = END) -> dict[str, bool]:
    """Prediction time → label."""
    table = cohort(silver, task, end).table
    times = [time.isoformat(timespec="minutes")[:16] for time in table.column("prediction_time").to_pylist()]
    return dict(zip(times, table.column("boolean_value").to_pylist(), strict=True))


def removed_by(silver: Silver, task: Task = READMISSION, end: str = END) -> dict[str, int]:
    """Step → rows that it removed."""
    flow = cohort(silver, task, end).flow
    found: dict[str, int] = {}
    for before, after in zip(flow.steps, flow.steps[1:], strict=False):
        if before.rows != after.rows:
            found[after.name] = before.rows - after.rows
    return found


FIRST = "2024-03-10T12:00"


def stays(next_start: str, **more: Any) -> Silver:
    return Silver().patient().stay("2024-03-01", FIRST).stay(next_start, "2024-06-30", **more)


@pytest.mark.parametrize(
    ("next_start", "readmitted"),
    [
        ("2024-03-12T00:00", True),
        ("2024-04-09T11:59", True),
        ("2024-04-09T12:00", True),
        ("2024-04-09T12:01", False),
        ("2024-04-10T12:00", False),
    ],
    ids=["day 2", "just before 30 days", "30 days to the minute", "a minute later", "day 31"],
)
def test_readmission_within_30_days(next_start: str, readmitted: bool) -> None:
    assert labels(stays(next_start)) == {FIRST: readmitted, "2024-06-30T00:00": False}


def test_a_stay_that_follows_within_hours_is_a_transfer_and_one_index() -> None:
    silver = stays("2024-03-10T18:00")
    assert labels(silver) == {"2024-06-30T00:00": False}
    assert cohort(silver, READMISSION).flow.transfers_joined == 1


def test_overlapping_stays_are_one_episode() -> None:
    silver = (
        Silver()
        .patient()
        .stay("2024-03-01", "2024-03-20")
        .stay("2024-03-05", "2024-03-06")
        .stay("2024-03-19", "2024-03-25")
    )
    assert labels(silver) == {"2024-03-25T00:00": False}


def test_the_next_morning_is_a_readmission_and_not_a_transfer() -> None:
    assert labels(stays("2024-03-11T09:00"))[FIRST] is True


def test_a_planned_stay_is_no_readmission_also_when_an_unplanned_one_follows() -> None:
    silver = (
        Silver()
        .patient()
        .stay("2024-03-01", FIRST)
        .stay("2024-03-15", "2024-03-16", type_code="8715000")
        .stay("2024-03-20", "2024-03-21")
    )
    assert labels(silver) == {FIRST: False, "2024-03-16T00:00": True, "2024-03-21T00:00": False}


@pytest.mark.parametrize("kind", ["EMER", "AMB", "OBSENC"])
def test_other_encounters_are_no_readmission(kind: str) -> None:
    silver = Silver().patient().stay("2024-03-01", FIRST).encounter(kind, "2024-03-15", "2024-03-16")
    assert labels(silver) == {FIRST: False}


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "planned"])
def test_stays_that_did_not_happen_do_not_count(status: str) -> None:
    assert labels(stays("2024-03-15", status=status)) == {FIRST: False}


def test_a_stay_under_way_is_a_readmission_and_no_index() -> None:
    silver = Silver().patient().stay("2024-03-01", FIRST).stay("2024-03-15", None)
    assert labels(silver) == {FIRST: True}


def test_death_in_the_stay_leaves_it_out() -> None:
    silver = Silver().patient().stay("2024-03-01", FIRST, disposition="exp")
    assert removed_by(silver) == {"left_stay_alive": 1}
    silver = Silver().patient(died="2024-03-10").stay("2024-03-01", FIRST)
    assert removed_by(silver) == {"alive_at_index": 1}


def test_death_after_discharge_counts_as_no_readmission() -> None:
    silver = Silver().patient(died="2024-03-20").stay("2024-03-01", FIRST)
    assert labels(silver) == {FIRST: False}


def test_death_after_discharge_is_left_out_where_the_task_says_so() -> None:
    strict = READMISSION.model_copy(update={"death_in_horizon": ONSET.death_in_horizon})
    silver = Silver().patient(died="2024-03-20").stay("2024-03-01", FIRST)
    assert removed_by(silver, strict) == {"no_death_in_horizon": 1}
    back = silver.stay("2024-03-12", "2024-03-15")
    assert labels(back, strict) == {FIRST: True}


@pytest.mark.parametrize(("born", "kept"), [(2006, True), (2007, False), (None, False)])
def test_adults_only_and_an_unknown_age_is_not_taken_for_one(born: int | None, kept: bool) -> None:
    silver = Silver().patient(born=born).stay("2024-03-01", FIRST)
    assert (FIRST in labels(silver)) is kept


@pytest.mark.parametrize(
    ("end", "kept"), [("2024-04-09T12:00", True), ("2024-04-09T11:59", False)], ids=["whole", "cut"]
)
def test_the_horizon_must_have_been_watched_whatever_came_of_it(end: str, kept: bool) -> None:
    silver = stays("2024-03-15")
    assert (FIRST in labels(silver, end=end)) is kept


def test_the_subjects_own_end_of_follow_up_goes_before_the_datasets() -> None:
    silver = (
        Silver()
        .patient("ann", follow_up_end="2024-03-20")
        .patient("bob", follow_up_end="2024-05-01")
        .patient("cyd")
        .stay("2024-03-01", FIRST, subject="ann")
        .stay("2024-03-01", FIRST, subject="bob")
        .stay("2024-03-01", FIRST, subject="cyd")
    )
    found = cohort(silver, READMISSION)
    assert found.table.column("subject_id").to_pylist() == ["bob", "cyd"]
    assert found.flow.as_json()["follow_up"] == {"patient.follow_up_end": 2, "dataset_maximum": 1}


def test_the_datasets_end_is_the_latest_available_time_of_any_fact() -> None:
    silver = (
        Silver().patient().stay("2024-03-01", FIRST).lab("glucose", 90, "2024-03-02", available="2024-08-01")
    )
    assert latest_available(silver.tables()) == int(at("2024-08-01").timestamp()) * 1_000_000
    assert latest_available({}) is None
    assert find_cohort(silver.tables(), READMISSION, dataset_end=NO_TIME).table.num_rows == 0


VISITS = ("2020-01-10", "2020-06-01", "2021-01-15", "2021-06-01")


def watched(**patient: str) -> Silver:
    silver = Silver().patient(**patient)  # type: ignore[arg-type]
    for day in VISITS:
        silver.visit(day)
    return silver


INDEX = "2021-01-15T00:00"


def test_the_first_visit_after_a_year_on_record_is_the_index() -> None:
    assert labels(watched(), ONSET) == {INDEX: False}


@pytest.mark.parametrize(
    ("onset", "expected"),
    [
        ("2021-01-14", {}),
        ("2021-01-15", {}),
        ("2021-01-15T09:00", {INDEX: True}),
        ("2022-01-15", {INDEX: True}),
        ("2022-01-16", {INDEX: False}),
    ],
    ids=["the day before", "at the visit", "hours after", "day 365", "day 366"],
)
def test_onset_within_a_year(onset: str, expected: dict[str, bool]) -> None:
    assert labels(watched().condition("diabetes", onset), ONSET) == expected


def test_an_onset_before_the_index_that_was_written_down_later_is_no_new_onset() -> None:
    silver = watched().condition("diabetes", "2020-12-01", recorded="2021-03-01")
    assert removed_by(silver, ONSET)["no_outcome_before_horizon"] == 1


def test_who_has_the_disease_by_its_signs_is_left_out() -> None:
    assert labels(watched().lab("hba1c", 6.5, "2020-06-01"), ONSET) == {}
    assert labels(watched().lab("hba1c", 6.4, "2020-06-01"), ONSET) == {INDEX: False}
    assert labels(watched().medication(["metformin", "diabetes_drug"], "2020-06-01"), ONSET) == {}


def test_a_sign_that_was_known_later_does_not_leave_out() -> None:
    silver = watched().lab("hba1c", 7.0, "2021-01-14", available="2021-01-16")
    assert labels(silver, ONSET) == {INDEX: False}


def test_the_first_condition_decides_and_not_a_later_one() -> None:
    silver = watched().condition("diabetes", "2021-05-01").condition("diabetes", "2023-05-01")
    assert labels(silver, ONSET) == {INDEX: True}


def test_death_within_the_year_leaves_out_unless_the_onset_came_first() -> None:
    assert removed_by(watched(died="2021-08-01"), ONSET)["no_death_in_horizon"] == 1
    assert labels(watched(died="2021-08-01").condition("diabetes", "2021-07-01"), ONSET) == {INDEX: True}


def test_a_gap_moves_the_horizon_and_leaves_out_what_happens_in_it() -> None:
    gap = READMISSION.model_copy(update={"gap_days": 2})
    assert labels(stays("2024-03-11T12:00"), gap) == {"2024-06-30T00:00": False}
    assert labels(stays("2024-04-11T12:00"), gap)[FIRST] is True
    assert labels(stays("2024-04-11T12:01"), gap)[FIRST] is False


@pytest.mark.parametrize(
    ("which", "expected"),
    [("first", [FIRST]), ("last", ["2024-06-30T00:00"]), ("every", [FIRST, "2024-06-30T00:00"])],
)
def test_which_index_dates_count(which: str, expected: list[str]) -> None:
    index = {**READMISSION.index.model_dump(), "which": which}
    task = Task.model_validate({**READMISSION.model_dump(), "index": index})
    assert list(labels(stays("2024-05-01"), task)) == expected


def test_a_random_index_date_is_one_of_them_and_always_the_same() -> None:
    index = {**READMISSION.index.model_dump(), "which": "random"}
    task = Task.model_validate({**READMISSION.model_dump(), "index": index})
    silver = Silver()
    for number in range(40):
        name = f"s{number}"
        silver.patient(name)
        for month in (1, 3, 5, 7):
            silver.stay(f"2024-0{month}-01", f"2024-0{month}-05", subject=name)
    table = cohort(silver, task).table
    assert table.num_rows == 40
    assert len(set(table.column("prediction_time").to_pylist())) == 4
    assert cohort(silver, task).table.equals(table)


def test_an_admission_at_the_very_index_is_not_the_next_one() -> None:
    task = Task.model_validate(
        {**READMISSION.model_dump(), "index": {"event": "outpatient_visit"}, "exclusions": ()}
    )
    silver = Silver().patient().visit("2024-03-01").stay("2024-03-01", "2024-03-02")
    assert labels(silver, task) == {"2024-03-01T00:00": False}
    assert labels(silver.stay("2024-03-20", "2024-03-21"), task) == {"2024-03-01T00:00": True}


def test_order_and_repetition_of_rows_change_nothing() -> None:
    silver = (
        stays("2024-03-15").visit("2024-03-14").patient("bob").stay("2024-01-01", "2024-01-02", subject="bob")
    )
    forward = cohort(silver, READMISSION)
    for rows in silver.rows.values():
        rows.reverse()
    silver.rows["encounter"] += silver.rows["encounter"][:2]
    assert cohort(silver, READMISSION).table.equals(forward.table)


def test_the_cohort_carries_groups_for_comparison() -> None:
    row = cohort(stays("2024-05-01"), READMISSION).table.to_pylist()[0]
    assert row["sex"] == "female"
    assert row["age_band"] == "65-74"
    assert row["race"] == "2106-3"
    assert row["ethnicity"] == "2186-5"
