"""The built-in tasks beyond readmission and diabetes, index events, inclusion, and versions of facts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from medcairn.core.errors import PolicyError, SettingsError
from medcairn.features import Task, load_task
from medcairn.features.task import load_any_task

from .silver_rows import Silver
from .test_features_cohort import cohort, labels, removed_by

MORTALITY = load_task("inpatient_mortality")
PROGRESSION = load_task("ckd_progression_1y")
HYPERTENSION = load_task("hypertension_onset_1y")
READMISSION = load_task("readmission_30d")

BASE: dict[str, object] = {
    "name": "mine",
    "version": 1,
    "index": {"event": "outpatient_visit", "which": "every"},
    "lookback_days": 365,
    "horizon_days": 30,
    "outcome": {"event": "inpatient_admission"},
    "death_in_horizon": "negative",
}


def task(folder: Path, **changes: object) -> Task:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({**BASE, **changes}, sort_keys=False), encoding="utf-8")
    return load_task(path)


class TestInpatientMortality:
    """Predicted 24 hours after admission; death in the stay."""

    @pytest.mark.parametrize(
        ("end", "disposition", "died", "expected"),
        [
            ("2024-03-10", "home", None, {"2024-03-02T08:00": False}),
            ("2024-03-10", "exp", None, {"2024-03-02T08:00": True}),
            ("2024-03-10", None, "2024-03-10", {"2024-03-02T08:00": True}),
            ("2024-03-10", None, "2024-03-11", {"2024-03-02T08:00": False}),
            ("2024-03-02T07:00", "exp", None, {}),
            ("2024-03-02T08:00", "home", None, {}),
            ("2024-03-10", "exp", "2024-03-02", {}),
            (None, None, None, {"2024-03-02T08:00": False}),
            (None, None, "2024-03-05", {"2024-03-02T08:00": True}),
            ("2024-06-30", "exp", None, {"2024-03-02T08:00": False}),
        ],
        ids=[
            "went home",
            "disposition",
            "time of death",
            "died a day after",
            "dead within 24 hours",
            "gone at 24 hours",
            "dead before the index",
            "still there",
            "still there by its record, and dead",
            "beyond 90 days",
        ],
    )
    def test_label(
        self, end: str | None, disposition: str | None, died: str | None, expected: dict[str, bool]
    ) -> None:
        silver = Silver().patient(died=died).stay("2024-03-01T08:00", end, disposition=disposition)
        assert labels(silver, MORTALITY) == expected

    def test_a_transfer_is_one_stay_with_one_index(self) -> None:
        silver = Silver().patient().stay("2024-03-01", "2024-03-03", disposition="oth")
        silver.stay("2024-03-03T04:00", "2024-03-08", disposition="exp")
        assert labels(silver, MORTALITY) == {"2024-03-02T00:00": True}

    def test_the_flow_says_who_had_left(self) -> None:
        silver = Silver().patient().stay("2024-03-01", "2024-03-01T20:00")
        assert removed_by(silver, MORTALITY) == {"in_hospital_after_24h": 1}

    def test_a_stay_that_was_entered_in_error_is_none(self) -> None:
        silver = Silver().patient().stay("2024-03-01", "2024-03-09", status="entered-in-error")
        assert labels(silver, MORTALITY) == {}


class TestKidneyDiseaseProgression:
    """An eGFR from 15 to below 60, an older one below 60; then a fall, a stage or a failure."""

    @staticmethod
    def patient(*later: tuple[float, str]) -> Silver:
        silver = Silver().patient().lab("egfr", 55, "2022-01-01").lab("egfr", 50, "2022-06-01")
        for value, when in later:
            silver.lab("egfr", value, when)
        return silver

    INDEX = "2022-06-01T00:00"

    @pytest.mark.parametrize(
        ("later", "progressed"),
        [
            ([(45, "2022-09-01")], False),
            ([(30, "2022-09-01")], False),
            ([(30, "2022-09-01"), (29, "2022-09-20")], False),
            ([(30, "2022-09-01"), (29, "2022-09-29")], True),
            ([(30.1, "2022-09-01"), (30.1, "2022-11-01")], False),
            ([(30, "2022-09-01"), (40, "2022-10-01"), (29, "2022-10-15")], False),
            ([(30, "2022-09-01"), (40, "2022-09-10"), (29, "2022-09-20"), (28, "2022-10-20")], True),
            ([(30, "2023-05-20"), (29, "2023-06-25")], False),
            ([(28, "2023-06-10"), (28, "2023-08-01")], False),
        ],
        ids=[
            "a little",
            "40 % once",
            "confirmed too soon",
            "confirmed after 28 days",
            "not quite 40 %",
            "recovered in between",
            "again, and confirmed",
            "confirmed after the year",
            "after the year",
        ],
    )
    def test_fall(self, later: list[tuple[float, str]], progressed: bool) -> None:
        assert labels(self.patient(*later), PROGRESSION) == {self.INDEX: progressed}

    @pytest.mark.parametrize(
        ("concepts", "when", "expected"),
        [
            (["ckd_stage_5", "ckd"], "2023-01-01", {INDEX: True}),
            (["end_stage_renal_disease"], "2023-06-02", {INDEX: False}),
            (["end_stage_renal_disease"], "2022-05-01", {}),
            (["ckd_stage_3", "ckd"], "2023-01-01", {INDEX: False}),
        ],
        ids=["failure", "after the year", "before", "a first stage is no rise"],
    )
    def test_failure_by_code(self, concepts: list[str], when: str, expected: dict[str, bool]) -> None:
        assert labels(self.patient().condition(concepts, when), PROGRESSION) == expected

    def test_dialysis(self) -> None:
        assert labels(self.patient().procedure("2022-12-01", "dialysis"), PROGRESSION) == {self.INDEX: True}

    @pytest.mark.parametrize(("stage", "progressed"), [("ckd_stage_3", False), ("ckd_stage_4", True)])
    def test_a_higher_stage_than_before(self, stage: str, progressed: bool) -> None:
        silver = self.patient().condition("ckd_stage_3", "2022-02-01").condition(stage, "2022-12-01")
        assert labels(silver, PROGRESSION) == {self.INDEX: progressed}

    def test_a_single_low_value_is_no_chronic_disease(self) -> None:
        silver = Silver().patient().lab("egfr", 50, "2022-06-01")
        assert removed_by(silver, PROGRESSION) == {"egfr_below_60_90d_before": 1}

    def test_an_index_has_a_baseline_that_was_known(self) -> None:
        """A correction that came later does not change what the fall is measured from."""
        silver = Silver().patient().lab("egfr", 55, "2022-01-01")
        silver.lab("egfr", 50, "2022-06-01", rid="x", superseded="2022-07-01")
        silver.lab("egfr", 36, "2022-06-01", rid="x", version=2, available="2022-07-01")
        silver.lab("egfr", 29, "2022-09-01").lab("egfr", 29, "2022-12-01")
        found = labels(silver, PROGRESSION)
        assert found[self.INDEX] is True  # from 50; from 36 it would take 21.6


def test_hypertension_comes_with_high_pressures_and_without_its_drugs() -> None:
    from medcairn.features import inputs_for, load_feature_set

    names = inputs_for(HYPERTENSION, load_feature_set("clinical_core")).names
    assert any(name.startswith("systolic_bp") for name in names)
    assert not any(name.startswith(("hypertension", "lisinopril", "amlodipine")) for name in names)


class TestPlannedReadmission:
    """A stay with a planned procedure is planned, unless it came by an emergency visit."""

    @staticmethod
    def stays() -> Silver:
        return Silver().patient().stay("2024-03-01", "2024-03-10").stay("2024-03-20", "2024-03-25")

    def test_a_joint_replacement_in_the_stay(self) -> None:
        silver = self.stays().procedure("2024-03-21", ["joint_replacement", "planned_procedure"])
        assert labels(silver)["2024-03-10T00:00"] is False

    def test_by_way_of_the_emergency_department(self) -> None:
        silver = self.stays().procedure("2024-03-21", ["coronary_revascularisation", "planned_procedure"])
        silver.encounter("EMER", "2024-03-19T20:00", "2024-03-20")
        assert labels(silver)["2024-03-10T00:00"] is True

    def test_a_procedure_outside_of_the_stay(self) -> None:
        silver = self.stays().procedure("2024-03-26", ["planned_procedure"])
        assert labels(silver)["2024-03-10T00:00"] is True


class TestIndexEvents:
    """Every kind of index event."""

    def test_encounter_of_a_class(self, tmp_path: Path) -> None:
        silver = Silver().patient().encounter("EMER", "2024-03-01", "2024-03-01").visit("2024-03-05")
        mine = task(tmp_path, index={"event": "encounter", "classes": ["EMER"], "which": "every"})
        assert labels(silver, mine) == {"2024-03-01T00:00": False}

    def test_first_condition_counts_from_when_it_was_known(self, tmp_path: Path) -> None:
        silver = Silver().patient().condition("diabetes", "2023-11-01", recorded="2024-01-15")
        silver.condition("diabetes", "2024-03-01").stay("2024-02-01", "2024-02-05")
        mine = task(tmp_path, index={"event": "first_condition", "concepts": ["diabetes"]})
        assert labels(silver, mine) == {"2024-01-15T00:00": True}

    def test_measurement_within_limits_counts_from_when_it_was_known(self, tmp_path: Path) -> None:
        silver = Silver().patient().lab("hba1c", 7.0, "2024-01-01", available="2024-01-02T10:00")
        silver.lab("hba1c", 6.4, "2024-02-01").lab("hba1c", 9.0, "2024-03-01")
        index = {"event": "measurement", "concept": "hba1c", "at_least": 6.5, "below": 9, "which": "every"}
        assert labels(silver, task(tmp_path, index=index)) == {"2024-01-02T10:00": False}

    def test_hours_after_admission(self, tmp_path: Path) -> None:
        silver = Silver().patient().stay("2024-03-01", "2024-03-03").stay("2024-03-20", "2024-03-25")
        index = {"event": "inpatient_admission", "hours_after": 36}
        assert labels(silver, task(tmp_path, index=index)) == {
            "2024-03-02T12:00": True,
            "2024-03-21T12:00": False,
        }

    def test_a_draw_follows_its_seed(self, tmp_path: Path) -> None:
        silver = Silver()
        for number in range(30):
            silver.patient(f"s{number}")
            for month in range(1, 6):
                silver.visit(f"2024-0{month}-01", subject=f"s{number}")
        drawn = [
            tuple(
                cohort(
                    silver,
                    task(tmp_path, index={"event": "outpatient_visit", "which": "random", "seed": seed}),
                )
                .table.column("prediction_time")
                .to_pylist()
            )
            for seed in (1, 1, 2)
        ]
        assert drawn[0] == drawn[1] != drawn[2]
        assert len(drawn[0]) == 30


class TestInclusionAndExclusion:
    """A rule includes where it holds and excludes where it does; what cannot be said is left out by both."""

    SILVER = (
        Silver()
        .patient("adult", born=1950)
        .patient("child", born=2014, gender="male")
        .patient("unknown", born=None, gender=None)
    )
    for _subject in ("adult", "child", "unknown"):
        SILVER.visit("2024-03-01", subject=_subject)

    def who(self, folder: Path, **rules: object) -> list[str]:
        return cohort(self.SILVER, task(folder, **rules)).table.column("subject_id").to_pylist()  # type: ignore[no-any-return]

    @pytest.mark.parametrize(
        ("section", "rule", "expected"),
        [
            ("inclusions", {"rule": "age_at_least", "years": 18}, ["adult"]),
            ("inclusions", {"rule": "age_below", "years": 18}, ["child"]),
            ("exclusions", {"rule": "age_at_least", "years": 18}, ["child"]),
            ("exclusions", {"rule": "age_below", "years": 18}, ["adult"]),
            ("inclusions", {"rule": "sex", "is": "female"}, ["adult"]),
            ("exclusions", {"rule": "sex", "is": "female"}, ["child"]),
        ],
    )
    def test_age_and_sex(
        self, tmp_path: Path, section: str, rule: dict[str, object], expected: list[str]
    ) -> None:
        assert self.who(tmp_path, **{section: [rule]}) == expected

    @pytest.mark.parametrize(
        ("rule", "holds"),
        [
            ({"rule": "ever_before", "concepts": ["stroke"]}, True),
            ({"rule": "ever_before", "concepts": ["stroke"], "within_days": 60}, True),
            ({"rule": "ever_before", "concepts": ["stroke"], "within_days": 59}, False),
            ({"rule": "ever_before", "concepts": ["copd"]}, False),
            ({"rule": "measured_below", "concept": "egfr", "value": 60}, True),
            ({"rule": "measured_below", "concept": "egfr", "value": 50}, False),
            ({"rule": "measured_below", "concept": "egfr", "value": 60, "days_before": 29}, True),
            ({"rule": "measured_below", "concept": "egfr", "value": 60, "days_before": 30}, False),
            ({"rule": "measured_at_least", "concept": "egfr", "value": 50}, True),
            ({"rule": "measured_at_least", "concept": "egfr", "value": 50, "within_days": 29}, False),
            ({"rule": "encounter_before", "classes": ["EMER"], "within_days": 400}, True),
            ({"rule": "encounter_before", "classes": ["EMER"], "within_days": 300}, False),
        ],
    )
    def test_facts(self, tmp_path: Path, rule: dict[str, object], holds: bool) -> None:
        silver = Silver().patient().condition("stroke", "2024-01-02").lab("egfr", 50, "2024-02-01")
        silver.encounter("EMER", "2023-03-01", "2023-03-01").visit("2024-03-01T00:00")
        silver.rows["encounter"][0]["class_code"] = "EMER"
        day = {"2024-03-01T00:00": False}
        assert labels(silver, task(tmp_path, inclusions=[rule])) == (day if holds else {})
        assert labels(silver, task(tmp_path, exclusions=[rule])) == ({} if holds else day)


class TestVersions:
    """Eligibility looks at what was known at the index date, labels at what is on record now."""

    RULE = ({"rule": "ever_before", "concepts": ["stroke"]},)

    def test_a_condition_that_was_withdrawn_later_still_excludes(self, tmp_path: Path) -> None:
        silver = Silver().patient().visit("2024-03-01").visit("2024-05-01")
        silver.condition("stroke", "2024-01-01", rid="c", superseded="2024-04-01")
        silver.condition(
            "stroke",
            "2024-01-01",
            rid="c",
            version=2,
            available="2024-04-01",
            verification="entered-in-error",
        )
        assert labels(silver, task(tmp_path, exclusions=list(self.RULE))) == {"2024-05-01T00:00": False}

    def test_a_condition_that_was_added_later_does_not(self, tmp_path: Path) -> None:
        silver = Silver().patient().visit("2024-03-01").visit("2024-05-01")
        silver.condition("stroke", "2024-01-01", recorded="2024-04-01")
        assert labels(silver, task(tmp_path, exclusions=list(self.RULE))) == {"2024-03-01T00:00": False}

    def test_a_label_follows_the_newest_version(self, tmp_path: Path) -> None:
        onset = {"event": "first_condition", "concepts": ["stroke"]}
        silver = Silver().patient().visit("2024-03-01")
        silver.condition("stroke", "2024-03-10", rid="c", superseded="2024-04-01")
        silver.condition("stroke", "2024-05-10", rid="c", version=2, available="2024-05-10")
        assert labels(silver, task(tmp_path, outcome=onset)) == {"2024-03-01T00:00": False}

    def test_a_deleted_stay_is_neither_index_nor_outcome(self) -> None:
        silver = Silver().patient().stay("2024-03-01", "2024-03-10")
        silver.stay("2024-03-20", "2024-03-25", superseded="2024-04-01", current=False)
        assert labels(silver) == {"2024-03-10T00:00": False}


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"outcome": {"event": "death_in_stay"}, "death_in_horizon": None}, "key=outcome"),
        ({"outcome": {"event": "death"}}, "key=death_in_horizon"),
        ({"death_in_horizon": None}, "key=death_in_horizon"),
        ({"outcome": {"event": "first_measurement", "concept": "egfr"}}, "key=outcome"),
        ({"outcome": {"event": "first_measurement", "concept": "eGFR", "below": 15}}, "key=outcome.concept"),
        ({"index": {"event": "measurement", "concept": "egfr", "at_least": 60, "below": 30}}, "key=index"),
        ({"index": {"event": "measurement", "concept": "glucoze"}}, "key=index.concept"),
        ({"index": {"event": "encounter", "classes": []}}, "key=index"),
        ({"index": {"event": "outpatient_visit", "which": "every", "seed": 3}}, "key=index"),
        ({"inclusions": [{"rule": "died_in_stay"}]}, "key=inclusions.0"),
        ({"inclusions": [{"rule": "ever_before", "concepts": ["flu"]}]}, "key=inclusions.0.concepts"),
        ({"inclusions": [{"rule": "sex", "is": "any"}]}, "key=inclusions.0"),
        (
            {"exclusions": [{"rule": "measured_below", "concept": "egfr", "value": 1, "until": 3}]},
            "exclusions.0",
        ),
        ({"without_concepts": ["diabeetes"]}, "key=without_concepts"),
        ({"outcome": {"event": "any_of", "of": [{"event": "death"}]}}, "key=outcome"),
        ({"outcome": {"event": "stage_rise", "stages": ["ckd_stage_3", "egfr"]}}, "key=outcome.stages"),
        ({"horizon_days": 0}, "key=horizon_days"),
        ({"colour": "red"}, "key=colour"),
    ],
)
def test_what_contradicts_itself_is_refused_by_key(
    tmp_path: Path, changes: dict[str, object], shown: str
) -> None:
    with pytest.raises((SettingsError, PolicyError)) as caught:
        task(tmp_path, **changes)
    assert shown in str(caught.value)


def test_a_task_in_either_form_is_told_by_its_trigger(tmp_path: Path) -> None:
    assert isinstance(load_any_task("readmission_30d"), Task)
    with pytest.raises(SettingsError, match="built-in"):
        load_any_task("no_such_task")


def test_death_as_an_outcome(tmp_path: Path) -> None:
    mine = task(tmp_path, outcome={"event": "death"}, death_in_horizon=None)
    for died, expected in (("2024-03-20", True), ("2024-05-20", False), (None, False)):
        assert labels(Silver().patient(died=died).visit("2024-03-01"), mine) == {"2024-03-01T00:00": expected}


def test_a_first_value_beyond_a_limit(tmp_path: Path) -> None:
    mine = task(tmp_path, outcome={"event": "first_measurement", "concept": "potassium", "at_least": 6})
    silver = Silver().patient().visit("2024-03-01").lab("potassium", 5.9, "2024-03-02")
    assert labels(silver, mine) == {"2024-03-01T00:00": False}
    assert labels(silver.lab("potassium", 6.0, "2024-03-05"), mine) == {"2024-03-01T00:00": True}
    assert removed_by(silver.lab("potassium", 6.5, "2024-02-05"), mine) == {"no_outcome_before_horizon": 1}
