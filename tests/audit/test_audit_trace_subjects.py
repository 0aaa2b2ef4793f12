"""From a pseudonym: tables that hold the subject, what was made of them, predictions with its features."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.trail_history import History
from medcairn.audit import EventType
from medcairn.audit.trace import SubjectTrail, follow_subject, holdings_text
from medcairn.core.artifacts import ArtifactRef, Zone, seal_folder
from medcairn.core.errors import UsageError
from medcairn.core.labels import Label

TRAINED, HELD_OUT, LEFT_OUT = ("a" * 32, "b" * 32, "c" * 32)
ROWS = {
    # subject: (rows of deid, of silver, splits of gold)
    TRAINED: (3, 2, ["train", "train"]),
    HELD_OUT: (3, 1, ["held_out"]),
    LEFT_OUT: (3, 4, []),
}


class StudyFolder:
    """A study's artifacts on disk, and the events that made them."""

    def __init__(self, root: Path) -> None:
        self.root, self.history = root, History()

    def artifact(
        self, name: str, write: Callable[[Path], None], inputs: Iterable[ArtifactRef] = ()
    ) -> ArtifactRef:
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        write(folder)
        made = seal_folder(folder, kind=name, zone=Zone.DEIDENTIFIED, facts={})
        ref = ArtifactRef(Label(name), made.kind, made.zone, made.digest, made.seal, name)
        self.history.add(
            EventType.STAGE_FINISHED, run="run", stage=name, inputs=list(inputs), outputs=[ref], summary=name
        )
        return ref

    def follow(self, pseudonym: str, **options: Any) -> SubjectTrail:
        return follow_subject(self.root, lambda: iter(self.history.events), pseudonym, **options)


def resources(subject: str) -> list[dict[str, Any]]:
    return [
        {"resourceType": "Patient", "id": subject},
        {
            "resourceType": "Observation",
            "id": f"o{subject[:6]}",
            "subject": {"reference": f"Patient/{subject}"},
        },
        {
            "resourceType": "Condition",
            "id": f"c{subject[:6]}",
            "subject": {"reference": f"Patient/{subject}"},
        },
    ]


def write_deid(folder: Path) -> None:
    lines = [json.dumps(one, separators=(",", ":")) for subject in ROWS for one in resources(subject)]
    (folder / "Mixed.000.ndjson").write_text("\n".join(lines) + "\n")


def write_bronze(folder: Path) -> None:
    texts = [json.dumps(one, separators=(",", ":")) for subject in ROWS for one in resources(subject)]
    pq.write_table(
        pa.table({"id": [str(n) for n in range(len(texts))], "resource": texts}), folder / "all.parquet"
    )


def write_silver(folder: Path) -> None:
    subjects = [subject for subject, (_, count, _) in ROWS.items() for _ in range(count)]
    (folder / "observation").mkdir(exist_ok=True)
    pq.write_table(pa.table({"subject_id": subjects}), folder / "observation" / "part.parquet")


def write_gold(folder: Path) -> None:
    rows = [(subject, split) for subject, (_, _, splits) in ROWS.items() for split in splits]
    table = {
        "subject_id": [subject for subject, _ in rows],
        "split": [split for _, split in rows],
        "age": pa.array([40.0 + n for n in range(len(rows))], pa.float64()),
        "hba1c": pa.array([None if n else 6.5 for n in range(len(rows))], pa.float64()),
    }
    pq.write_table(pa.table(table), folder / "features.parquet")


def write_model(folder: Path) -> None:
    (folder / "model.json").write_text("{}")


@pytest.fixture
def study(tmp_path: Path) -> StudyFolder:
    made = StudyFolder(tmp_path)
    deid = made.artifact("deid", write_deid)
    bronze = made.artifact("bronze", write_bronze, [deid])
    silver = made.artifact("silver", write_silver, [bronze])
    gold = made.artifact("gold", write_gold, [silver])
    made.artifact("model", write_model, [gold])
    return made


def stages(found: SubjectTrail) -> list[str]:
    return [str(found.trail.entries[place].event.stage) for place in sorted(found.trail.forward)]


@pytest.mark.parametrize("subject", ROWS)
def test_each_table_says_how_much_it_holds_of_the_subject(study: StudyFolder, subject: str) -> None:
    lines, silver, splits = ROWS[subject]
    found = {str(holding.artifact.name): holding for holding in study.follow(subject).holdings}
    assert found["deid"].rows == {"Mixed": lines}
    assert found["bronze"].rows == {"all": lines}
    assert found["silver"].rows == {"observation": silver}
    if splits:
        assert found["gold"].rows == {"features": len(splits)}
        assert found["gold"].splits == {splits[0]: len(splits)}
    assert found.keys() == {"deid", "bronze", "silver"} | ({"gold"} if splits else set())


def test_the_trail_ends_at_the_table_that_lacks_the_subject(study: StudyFolder) -> None:
    assert stages(study.follow(TRAINED)) == ["bronze", "silver", "gold", "model"]
    assert stages(study.follow(LEFT_OUT)) == ["bronze", "silver", "gold"]


@pytest.mark.parametrize(("subject", "answer"), [(TRAINED, "yes"), (HELD_OUT, "no")])
def test_the_text_says_whether_a_model_was_trained_on_the_subject(
    study: StudyFolder, subject: str, answer: str
) -> None:
    assert f"   Models were trained on this subject: {answer}" in list(holdings_text(study.follow(subject)))


def test_predictions_from_exactly_the_subject_s_features_are_told(study: StudyFolder) -> None:
    predictions = [
        ("same", {"age": 41.0, "hba1c": None}),
        ("same, with a missing value as NaN", {"age": 41.0, "hba1c": float("nan")}),
        ("another order", {"hba1c": None, "age": 41.0}),
        ("another value", {"age": 41.5, "hba1c": None}),
        ("other features", {"age": 41.0}),
    ]
    found = study.follow(TRAINED, predictions=lambda: iter(predictions))
    assert found.predictions == tuple(name for name, _ in predictions[:3])


def test_what_was_replaced_since_is_named_and_not_asked(study: StudyFolder) -> None:
    manifest = study.root / "bronze" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b" ")
    found = study.follow(TRAINED)
    (replaced,) = [holding for holding in found.holdings if holding.rows is None]
    assert replaced.artifact.name == "bronze"
    assert stages(found) == ["bronze", "silver", "gold", "model"]  # nobody knows, so the way goes on
    assert any("replaced since" in line for line in holdings_text(found))


@pytest.mark.parametrize("pseudonym", ["d" * 32, "a" * 31, "", '"'])
def test_a_pseudonym_that_no_table_has_is_refused(study: StudyFolder, pseudonym: str) -> None:
    with pytest.raises(UsageError, match="no table of the study has such a subject"):
        study.follow(pseudonym)


def test_the_phi_zone_is_not_asked(study: StudyFolder) -> None:
    """Originals have other ids; and asking them would read identified data."""
    folder = study.root / "phi"
    folder.mkdir()
    (folder / "x.ndjson").write_text(f'{{"id":"{"d" * 32}"}}\n')
    made = seal_folder(folder, kind="export", zone=Zone.PHI, facts={})
    ref = ArtifactRef(Label("export"), made.kind, made.zone, made.digest, made.seal, "phi")
    study.history.add(EventType.STAGE_FINISHED, run="run", stage="export", outputs=[ref])
    with pytest.raises(UsageError):
        study.follow("d" * 32)


def test_the_json_holds_trail_and_holdings(study: StudyFolder) -> None:
    value = json.loads(json.dumps(study.follow(HELD_OUT).as_json()))
    assert value["identifier"] == HELD_OUT
    assert [holding["rows"] for holding in value["holdings"]][-1] == {"features": 1}
    assert value["predictions_from_the_same_features"] == []
