"""The audit report of a model version: each statement from the entry that it names, and nothing else."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from access.conftest import CHEAP
from medcairn.access import Passwords
from medcairn.audit import EventType
from medcairn.cli import main
from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.digests import digest_json
from medcairn.core.errors import UsageError
from medcairn.pipeline.fda_audit import ComplianceReportGenerator
from medcairn.pipeline.study import Study
from medcairn.registry import read_change_control_plan
from medcairn.reports.document import Tone
from medcairn.reports.fda_audit import fda_audit_document
from medcairn.reports.fda_audit_record import AuditSection, FdaAudit, Listing
from pipeline.audited_study import METRICS, MODEL, SETTINGS, AuditedStudy, Ticking, ref


@pytest.fixture(scope="module", autouse=True)
def cheap() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medcairn.access.people.Passwords", lambda: Passwords(CHEAP))
        yield


@pytest.fixture(scope="module")
def approved(cheap: None, tmp_path_factory: pytest.TempPathFactory) -> AuditedStudy:
    """Version 1, validated and approved by two people; not to be changed."""
    study = AuditedStudy.new(tmp_path_factory.mktemp("approved") / "study")
    study.add("ada")
    study.add("bea")
    study.train("one")
    study.validate("one")
    study.move("1", None, "candidate")
    study.move("1", "candidate", "validated")
    for name in ("ada", "bea"):
        study.sign(name, study.approval("1"))
    study.move("1", "validated", "approved", authority="signature")
    return study


@pytest.fixture
def audited(approved: AuditedStudy, tmp_path: Path) -> AuditedStudy:
    """A copy that a test may go on with."""
    shutil.copytree(approved.study.root, tmp_path / "study")
    return AuditedStudy(Study.open(tmp_path / "study", clock=Ticking(approved.study.clock.now())))


def report(audited: AuditedStudy, version: str = "1") -> FdaAudit:
    return ComplianceReportGenerator(audited.study.root).fda_audit(MODEL, version)


def section(record: FdaAudit, name: str) -> AuditSection:
    return next(one for one in record.sections if one.name == name)


def listing(record: FdaAudit, name: str) -> Listing:
    return next(one for part in record.sections for one in part.listings if one.name == name)


def rows(record: FdaAudit, name: str) -> list[Mapping[str, JSON]]:
    return [row.values for row in listing(record, name).rows]


def fact(record: FdaAudit, name: str) -> JSON:
    """The value of a statement, or ``unknown: …``."""
    told = next(one for part in record.sections for one in part.facts if one.name == name)
    return f"unknown: {told.unknown}" if told.unknown else told.value


def written(audited: AuditedStudy, folder: Path, version: str = "1") -> dict[str, bytes]:
    generator = ComplianceReportGenerator(audited.study.root)
    made = generator.write(generator.fda_audit(MODEL, version), folder)
    return {file.name: file.read_bytes() for file in made.iterdir()}


# ── what it says ─────────────────────────────────────────────────────────────────────────────────────

_WORKED_OUT = {
    "version", "trained_by", "protocol_signed_before_execution", "executions_on_this_version", "ledger",
    "last_entry", "tree_size", "root_hash", "intended_use", "recorded_verification",
}  # fmt: skip
"""Facts that are worked out from an entry, or confirmed by a digest in it."""


def leaves(value: JSON) -> set[bytes]:
    """Every value in a record, at any depth."""
    found = {canonical_json(value)}
    if isinstance(value, Mapping):
        found |= {leaf for item in value.values() for leaf in leaves(item)}
    elif isinstance(value, list | tuple):
        found |= {leaf for item in value for leaf in leaves(item)}
    return found


def test_every_statement_stands_in_the_entry_that_it_names(audited: AuditedStudy) -> None:
    record = report(audited)
    events = {stored.index: stored.event.as_json() for stored in audited.study.events()}
    checked = 0
    for part in record.sections:
        for told in part.facts:
            assert told.unknown or told.entry is not None, told.name
            if told.entry is not None and told.name not in _WORKED_OUT and told.name != "model":
                assert canonical_json(told.value) in leaves(events[told.entry]), told.name
                checked += 1
        for table in part.listings:
            for row in table.rows:
                assert all(entry < record.tree_size for entry in row.entries)
    assert checked > 35


def test_it_says_what_a_reviewer_asks_for(audited: AuditedStudy) -> None:
    record = report(audited)
    assert record.standing.word == "approved"
    assert fact(record, "intended_use") == "Risk of return within 30 days."
    assert fact(record, "algorithm") == "logistic_regression"
    assert {"name": "C", "value": 0.005} in rows(record, "hyperparameters")
    assert fact(record, "deidentification_mode") == "safe-harbor"
    assert [row["split"] for row in rows(record, "splits")] == ["train", "held_out"]
    assert rows(record, "metrics")[0]["estimate"] == {
        "value": 0.74, "low": 0.69, "high": 0.79, "method": "DeLong, clustered by subject",
    }  # fmt: skip
    assert rows(record, "subgroups")[1]["rows"] is None  # withheld stays withheld
    criteria = [(row["criterion"], row["observed"], row["met"]) for row in rows(record, "criteria")]
    assert criteria == [
        ("discrimination", METRICS["auroc"], True), ("enough_events", METRICS["positives"], True),
    ]  # fmt: skip
    assert [(row["previous"], row["state"]) for row in rows(record, "transitions")] == [
        (None, "candidate"), ("candidate", "validated"), ("validated", "approved"),
    ]  # fmt: skip
    assert [(row["printed_name"], row["meaning"], row["seal"]) for row in rows(record, "signatures")] == [
        ("Dr Ada Muster", "approved", "holds"), ("Dr Bea Muster", "approved", "holds"),
    ]  # fmt: skip
    assert section(record, "change_control").notes[0].startswith("No change control plan was signed")


def test_what_the_ledger_does_not_hold_is_told_as_unknown_with_the_reason(audited: AuditedStudy) -> None:
    record = report(audited)
    assert str(fact(record, "time_range")).startswith("unknown: de-identification moves every date")
    assert fact(record, "deployment") == "unknown: this version was not deployed"
    assert record.unknown == sum(bool(told.unknown) for part in record.sections for told in part.facts)


def test_a_version_of_before_these_facts_were_recorded_says_so(audited: AuditedStudy) -> None:
    audited.train("two", hyperparameters=None)
    audited.validate("two", subgroups=None, operating_point=None)
    record = report(audited, "2")
    assert "before the ledger recorded" in listing(record, "hyperparameters").none
    assert "before the ledger recorded" in listing(record, "subgroups").none
    assert fact(record, "threshold") == "unknown: no entry of the ledger records it"


def test_an_intended_use_that_was_written_later_is_not_told(audited: AuditedStudy) -> None:
    (audited.study.root / "study.yaml").write_text(SETTINGS.replace("Risk of return", "Risk of anything"))
    record = report(audited)
    assert "study.yaml has changed since" in str(fact(record, "intended_use"))
    assert "Risk of anything" not in json.dumps(record.as_json())


# ── the same bytes ───────────────────────────────────────────────────────────────────────────────────


def test_the_same_ledger_gives_the_same_bytes(audited: AuditedStudy, tmp_path: Path) -> None:
    first, second = written(audited, tmp_path / "a"), written(audited, tmp_path / "b")
    assert first == second
    assert set(first) == {"fda-audit.json", "fda-audit.pdf"}
    assert first["fda-audit.pdf"].startswith(b"%PDF-")


def test_unrelated_later_entries_change_nothing(audited: AuditedStudy, tmp_path: Path) -> None:
    before = written(audited, tmp_path / "a")
    audited.append(EventType.RUN_STARTED, steps=["monitor"])
    audited.append(EventType.PREDICTION_MADE, prediction_id="p", record_digest=digest_json("p"))
    audited.append(EventType.ACCESS_DENIED, reason="wrong_password")
    audited.append(EventType.TRAIL_VERIFIED, tree_size=9, findings=0)
    audited.add("eve")
    audited.train("two")
    audited.validate("two", passed=False)
    audited.move("2", None, "candidate")
    audited.sign("eve", audited.approval("2"))
    audited.append(EventType.GATE_REFUSED, gate="release", check="validation_passed")
    with audited.study.ledger() as ledger:
        ledger.checkpoint()
    assert written(audited, tmp_path / "b") == before


def test_what_concerns_the_version_does_change_it(audited: AuditedStudy, tmp_path: Path) -> None:
    before = written(audited, tmp_path / "a")
    audited.move(
        "1", "approved", "retired", by="person:ada", authority="signature", reason="Replaced by a rule"
    )
    after = written(audited, tmp_path / "b")
    assert after != before
    assert rows(report(audited), "transitions")[-1]["reason"] == "Replaced by a rule"
    assert report(audited).standing.word == "retired"


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("model", "version"), [(MODEL, "2"), (MODEL, "x"), ("ward.mortality", "1"), ("", "")]
)
def test_what_there_is_not_is_refused_with_what_there_is(
    audited: AuditedStudy, model: str, version: str
) -> None:
    with pytest.raises(UsageError) as failure:
        ComplianceReportGenerator(audited.study.root).fda_audit(model, version)
    assert f"{MODEL} 1" in failure.value.hint


def test_a_study_without_a_model_says_what_to_do(tmp_path: Path) -> None:
    study = AuditedStudy.new(tmp_path / "study")
    with pytest.raises(UsageError, match="medcairn run --until train"):
        report(study)


def test_a_version_is_told_by_its_own_entries_after_it_was_replaced(audited: AuditedStudy) -> None:
    audited.train("two", algorithm="gradient_boosting", seed=7)
    audited.validate("two", passed=False)
    audited.move("2", None, "candidate")
    first, second = report(audited, "1"), report(audited, "2")
    assert (fact(first, "algorithm"), fact(second, "algorithm")) == (
        "logistic_regression",
        "gradient_boosting",
    )
    assert (fact(first, "seed"), fact(second, "seed")) == (20260101, 7)
    assert [row["state"] for row in rows(second, "versions")] == ["approved", "candidate"]
    assert len(rows(first, "versions")) == 1  # what came later is not its history


def test_every_look_at_the_held_out_data_is_counted(audited: AuditedStudy) -> None:
    audited.train("two")
    audited.validate("two", passed=False)
    audited.validate("two")
    looked = [(row["version"], row["verdict"]) for row in rows(report(audited, "2"), "executions")]
    assert looked == [("1", "passed"), ("2", "failed"), ("2", "passed")]
    assert fact(report(audited, "2"), "executions_on_this_version") == 2


def test_a_version_that_failed_stands_as_failed(audited: AuditedStudy) -> None:
    audited.train("two")
    audited.validate("two", passed=False)
    audited.move("2", None, "candidate")
    record = report(audited, "2")
    assert (record.standing.word, record.standing.tone) == ("validation failed", Tone.BAD)
    assert [row["met"] for row in rows(record, "criteria")] == [False, True]


def test_a_version_that_moved_beside_another_is_told_with_it(audited: AuditedStudy) -> None:
    audited.train("two")
    audited.validate("two")
    beside = {"version": "1", "previous": "production", "state": "canary"}
    entry = audited.move("2", "canary", "production", reason="Better", beside=[beside])
    record = report(audited, "1")
    last = listing(record, "transitions").rows[-1]
    assert last.entries == (entry,)
    assert (last.values["state"], last.values["beside_version"]) == ("canary", "2")
    assert record.standing.word == "in canary"


# ── signatures, protocol, refusals ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("early", [True, False])
def test_whether_the_protocol_was_signed_before_execution(audited: AuditedStudy, early: bool) -> None:
    protocol: dict[str, JSON] = {"form": "medcairn-protocol-1", "criteria": "readmission_30d"}
    audited.train("two")
    if early:
        audited.sign("ada", protocol)
    audited.validate("two", protocol=digest_json(protocol))
    if not early:
        audited.sign("ada", protocol)
    record = report(audited, "2")
    assert fact(record, "protocol_signed_before_execution") is early
    assert [row["of"] for row in rows(record, "signatures")] == ["validation protocol"]


def test_what_was_released_is_told_with_the_signatures_that_it_took(audited: AuditedStudy) -> None:
    package: dict[str, JSON] = {"package_digest": digest_json("package"), "signatures": 2}
    inputs = [ref("model", "one", "models/readmission_30d")]
    audited.finish(
        "package", inputs, [ref("package", "p")], package=package, approval_digest=digest_json("a")
    )
    watched: dict[str, JSON] = {"status": "ok", "features": 307, "reference_rows": 650, "current_rows": 90}
    audited.finish("monitor", [ref("package", "p")], [ref("monitoring", "m")], monitoring=watched)
    record = report(audited)
    assert fact(record, "released_package") == digest_json("package")
    assert (fact(record, "signatures_in_the_package"), fact(record, "signatures_required")) == (2, 2)
    assert (fact(record, "monitoring_status"), fact(record, "false_discovery_rate")) == ("ok", 0.05)
    assert fact(record, "deployment") == "unknown: this version was not deployed"


def test_criteria_without_a_protocol_were_not_signed(audited: AuditedStudy) -> None:
    assert fact(report(audited), "protocol_signed_before_execution") is False


def test_a_transplanted_signature_is_seen(audited: AuditedStudy) -> None:
    audited.sign("ada", audited.approval("1"), over={"another": "record"})
    record = report(audited)
    assert rows(record, "signatures")[-1]["seal"] == "does not hold: record"
    assert record.standing.word == "the trail was changed"  # verification finds it too


@pytest.mark.parametrize(
    ("given", "of_first", "of_second"),
    [
        ({"gate": "production", "check": "signed", "model": MODEL, "version": "1"}, True, False),
        ({"gate": "production", "check": "signed", "model": MODEL, "version": "2"}, False, True),
        ({"gate": "release", "check": "enough_approvals"}, False, True),  # of the latest model then
        ({"gate": "release", "check": "signed", "model": "ward.mortality", "version": "1"}, False, False),
    ],
)
def test_a_refusal_is_told_of_the_version_that_it_concerns(
    audited: AuditedStudy, given: dict[str, JSON], of_first: bool, of_second: bool
) -> None:
    audited.train("two")
    audited.append(EventType.GATE_REFUSED, "person:olaf", **given)
    assert bool(rows(report(audited, "1"), "refusals")) is of_first
    assert bool(rows(report(audited, "2"), "refusals")) is of_second


def test_a_signing_that_was_refused_is_told_of_the_model_that_it_was_about(audited: AuditedStudy) -> None:
    audited.train("two")
    with audited.study.ledger() as ledger:
        ledger.append(
            EventType.SIGNING_REFUSED,
            actor="pipeline",
            inputs=[ref("model", "one")],
            record={"code": "policy"},
        )
    assert [row["why"] for row in rows(report(audited, "1"), "refusals")] == ["policy"]
    assert not rows(report(audited, "2"), "refusals")


# ── change control ───────────────────────────────────────────────────────────────────────────────────

PLAN = read_change_control_plan("readmission_30d")


def test_a_change_under_a_plan_is_told_clause_by_clause(audited: AuditedStudy) -> None:
    entry = audited.sign("ada", PLAN.as_json())
    audited.train("two", seed=8)
    audited.validate("two")
    audited.move("2", "validated", "approved", authority="change_control_plan", signed=PLAN.digest)
    record = report(audited, "2")
    assert fact(record, "plan_digest") == PLAN.digest
    assert fact(record, "baseline") == "1"
    assert fact(record, "inside_the_plan") is True
    assert fact(record, "brought_forward_by_the_plan") is True
    assert all(row["inside"] for row in rows(record, "clauses"))
    assert entry in listing(record, "clauses").rows[0].entries
    assert [row["of"] for row in rows(record, "signatures")] == ["change control plan"]
    assert fda_audit_document(record).sections  # every table has its columns


def test_a_change_outside_the_plan_names_the_clause(audited: AuditedStudy) -> None:
    audited.sign("ada", PLAN.as_json())
    audited.train("two", feature_spec_digest=digest_json("other features"))
    audited.validate("two", operating_point={"threshold": 0.7, "specificity": 0.8, "fixed_before": True})
    record = report(audited, "2")
    assert fact(record, "inside_the_plan") is False
    assert [row["clause"] for row in rows(record, "clauses") if not row["inside"]] == [
        "features",
        "threshold",
    ]


def test_the_baseline_is_what_people_signed_and_changes_are_counted(audited: AuditedStudy) -> None:
    audited.sign("ada", PLAN.model_copy(update={"most_changes": 1}).as_json())
    for number, model in (("2", "two"), ("3", "three")):
        audited.train(model)
        audited.validate(model)
        audited.move(number, "validated", "approved", authority="change_control_plan")
    record = report(audited, "3")
    assert fact(record, "baseline") == "1"
    assert [row["clause"] for row in rows(record, "clauses") if not row["inside"]] == ["number_of_changes"]


def test_a_version_that_only_moved_beside_one_under_a_plan_was_not_brought_forward(
    audited: AuditedStudy,
) -> None:
    audited.train("two")
    audited.validate("two")
    audited.sign("ada", PLAN.as_json())
    beside = {"version": "1", "previous": "production", "state": "canary"}
    audited.move("2", "canary", "production", authority="change_control_plan", beside=[beside])
    assert section(report(audited, "1"), "change_control").facts == ()
    assert fact(report(audited, "2"), "brought_forward_by_the_plan") is True


def test_a_plan_that_was_signed_after_the_version_was_judged_does_not_count(audited: AuditedStudy) -> None:
    audited.train("two")
    audited.validate("two")
    audited.sign("ada", PLAN.as_json())
    assert section(report(audited, "2"), "change_control").facts == ()


@pytest.mark.parametrize(
    ("signed", "over"),
    [
        ({**PLAN.as_json(), "task": "mortality"}, None),
        (PLAN.as_json(), {"another": "record"}),
        ({**PLAN.as_json(), "surprise": 1}, None),
    ],
    ids=["of another task", "signature of something else", "no plan"],
)
def test_only_a_plan_that_was_approved_counts(
    audited: AuditedStudy, signed: dict[str, JSON], over: JSON
) -> None:
    audited.sign("ada", signed, over=over)
    audited.train("two")
    audited.validate("two")
    assert section(report(audited, "2"), "change_control").facts == ()


def test_the_first_version_has_nothing_to_be_held_against(audited: AuditedStudy, tmp_path: Path) -> None:
    study = AuditedStudy.new(tmp_path / "other")
    study.add("ada")
    study.sign("ada", PLAN.as_json())
    study.train("one")
    study.validate("one")
    assert str(fact(report(study), "baseline")).startswith("unknown: people signed no other version")


# ── trail and files ──────────────────────────────────────────────────────────────────────────────────


def test_the_root_is_that_of_the_tree_up_to_the_last_entry(audited: AuditedStudy) -> None:
    with audited.study.ledger() as ledger:
        sealed = ledger.checkpoint()
    record = report(audited)
    assert (record.tree_size, record.root_hash) == (sealed.tree_size, sealed.root_hash.hex())


def test_a_ledger_that_was_edited_is_told(audited: AuditedStudy) -> None:
    with closing(sqlite3.connect(audited.study.ledger_file)) as database:
        triggers = [
            name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        ]
        for name in triggers:
            database.execute(f"DROP TRIGGER {name}")
        found = database.execute("SELECT position, leaf FROM entry WHERE type = 'stage.finished'").fetchall()
        position, leaf = next((at, text) for at, text in found if b"0.74" in text)
        edited = leaf.replace(b"0.74", b"0.94")
        database.execute("UPDATE entry SET leaf = ? WHERE position = ?", (edited, position))
        database.commit()
    record = report(audited)
    assert record.standing.word == "the trail was changed"
    assert record.standing.tone is Tone.BAD
    assert rows(record, "findings")


def test_reading_makes_no_store_and_trusts_the_ledger_s_keys(audited: AuditedStudy) -> None:
    audited.study.people_file.unlink()
    record = report(audited)
    assert {row["seal"] for row in rows(record, "signatures")} == {"holds"}
    assert not audited.study.people_file.exists()


def test_a_report_replaces_an_earlier_one_and_nothing_else(audited: AuditedStudy, tmp_path: Path) -> None:
    generator = ComplianceReportGenerator(audited.study.root)
    record = generator.fda_audit(MODEL, "1")
    folder = generator.write(record)
    assert folder == audited.study.root / "reports" / "fda-audit" / f"{MODEL}-1"
    assert generator.write(record) == folder
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="other files"):
        generator.write(record)
    assert (folder / "notes.txt").read_text() == "mine"
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="A file stands"):
        generator.write(record, tmp_path / "file")


def test_the_command_writes_both_and_prints_the_record(
    audited: AuditedStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["report", "fda-audit", MODEL, "1", "--study", str(audited.study.root)]
    assert main.run([*common, "--out", str(tmp_path / "out"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["report"] == json.loads((tmp_path / "out" / "fda-audit.json").read_bytes())
    assert main.run(common) == 0
    assert "approved" in capsys.readouterr().out
    assert main.run(["report", "fda-audit", MODEL, "9", "--study", str(audited.study.root)]) == 2
    assert f"{MODEL} 1" in capsys.readouterr().err
