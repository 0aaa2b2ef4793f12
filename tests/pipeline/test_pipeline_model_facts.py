"""Facts of any version, out of the ends of steps: also of one whose folders a later run replaced."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from medcairn.audit import Event, EventType, StoredEvent
from medcairn.core.artifacts import ArtifactRef, Zone
from medcairn.core.canonical import JSON
from medcairn.core.digests import digest_json
from medcairn.core.errors import UsageError
from medcairn.core.labels import Label
from medcairn.pipeline.model_facts import model_digests, model_facts, version_history
from medcairn.registry import Estimated


def ref(name: str, content: str) -> ArtifactRef:
    digest = digest_json(content)
    return ArtifactRef(Label(name), Label(name), Zone.AGGREGATE, digest, digest, f"somewhere/{name}")


def finish(
    stage: str, inputs: Sequence[ArtifactRef], outputs: Sequence[ArtifactRef], **record: JSON
) -> Event:
    return Event(
        "id", EventType.STAGE_FINISHED, "2026-01-01T00:00:00.000000Z", "person:ada", "run", stage,
        tuple(inputs), tuple(outputs), record,
    )  # fmt: skip


def study_of(*models: str, verdicts: Sequence[str] = ()) -> list[StoredEvent]:
    """One export, and for each of ``models`` a gold table, a training and a validation."""
    events = [
        finish("export", (), [ref("export", "e")]),
        finish("deid", [ref("export", "e")], [ref("deid", "d")]),
    ]
    for number, model in enumerate(models):
        gold, trained = ref("gold", f"g {model}"), ref("model", model)
        silver = ref("silver", f"s {model}")
        verdict = verdicts[number] if verdicts else "passed"
        events += [
            finish("lakehouse", [ref("deid", "d")], [silver]),
            finish("features", [silver], [gold], gold={"task": "t", "task_digest": "td"}),
            finish(
                "train", [gold], [trained],
                model={
                    "algorithm": "logistic_regression", "hyperparameters": {"C": 0.005},
                    "feature_spec_digest": f"spec {model}", "rows": 500 + number, "positives": 90,
                },
            ),
            finish(
                "validate", [gold, trained], [ref("validation", f"v {model}")],
                validation={
                    "verdict": verdict, "criteria_digest": "c", "operating_point": {"threshold": 0.25},
                    "metrics": {
                        "auroc": {"value": 0.7, "low": 0.65, "high": 0.75, "method": "DeLong"},
                        "brier": {"unavailable": "there are no rows"},
                    },
                },
            ),
        ]  # fmt: skip
    return [StoredEvent(index, event) for index, event in enumerate(events)]


def test_every_fact_comes_from_the_version_s_own_steps() -> None:
    events = study_of("a", "b", verdicts=["failed", "passed"])
    first, second = model_facts(events, "1"), model_facts(events, "2")
    assert (first.rows, second.rows) == (500, 501)
    assert (first.validated, second.validated) == (False, True)
    assert first.dataset == digest_json("g a")
    assert first.feature_spec == "spec a"
    assert second.hyperparameters == {"C": 0.005}
    assert second.threshold == 0.25
    assert second.estimates == {"auroc": Estimated(0.7, 0.65, 0.75)}  # what was not computed is not there


def test_a_version_counts_once_however_often_it_was_made() -> None:
    events = study_of("a", "b", "a")
    assert model_digests(events) == (digest_json("a"), digest_json("b"))
    assert len(version_history(events, "1").validations) == 2


def test_the_history_of_a_version_goes_back_to_the_export_and_no_further_than_its_own() -> None:
    events = study_of("a", "b")
    history = version_history(events, "1")
    assert list(history.made) == ["export", "deid", "lakehouse", "features", "train"]
    assert [stored.index for stored in history.made.values()] == [0, 1, 2, 3, 4]


def test_what_the_ledger_does_not_hold_is_not_known() -> None:
    trained = finish("train", [], [ref("model", "a")])
    facts = model_facts([StoredEvent(0, trained)], "1")
    assert [facts.algorithm, facts.threshold, facts.rows, facts.hyperparameters] == [None] * 4
    assert facts.estimates == {}
    assert not facts.validated


@pytest.mark.parametrize("version", ["0", "3", "01", "latest", ""])
def test_another_version_is_refused_with_those_there_are(version: str) -> None:
    with pytest.raises(UsageError) as failure:
        model_facts(study_of("a", "b"), version)
    assert "1, 2" in failure.value.hint
