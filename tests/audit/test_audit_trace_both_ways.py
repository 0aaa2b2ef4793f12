"""From any id both ways: what it was made from, what was made from it, told as tree, JSON and picture."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.trail_history import (
    APPROVED,
    CRITERIA,
    MLFLOW_RUN,
    PACKAGE_DIGEST,
    RUN,
    VERSION,
    WATCH,
    ref,
    study,
)
from medcairn.audit import Event, EventType, StoredEvent
from medcairn.audit.graph import trail_picture
from medcairn.audit.graph.layout import implied, lay_out
from medcairn.audit.trace import FOLD_ABOVE, Direction, Fold, Trail, UnknownId, follow, trail_text
from medcairn.core.artifacts import ArtifactRef
from medcairn.core.digests import digest_bytes
from medcairn.core.errors import UsageError

HISTORY = study().events


def told(trail: Trail, places: frozenset[int] | tuple[int, ...]) -> list[str]:
    """Entries by what they are, in order."""
    events = [trail.entries[place].event for place in sorted(places)]
    finished = EventType.STAGE_FINISHED
    return [str(e.stage) if e.type is finished else e.type.value for e in events]


def folded(trail: Trail) -> list[tuple[str, int]]:
    return [(fold.type.value, fold.count) for fold in trail.folds]


ROAD = ["export", "deid", "lakehouse", "features", "train"]
BEFORE_PACKAGE = [*ROAD, "criteria.pinned", "validate", "record.signed", "record.signed"]
AFTER_PACKAGE = ["monitor"]

IDS = {
    # id: (what it names, back, forward)
    "prediction-3": (["prediction.made"], [*BEFORE_PACKAGE, "package"], []),
    VERSION: (
        ["model.transitioned", "model.transitioned", "package", "model.transitioned"],
        BEFORE_PACKAGE,
        AFTER_PACKAGE,
    ),
    ref("export").digest: ([ROAD[0]], [], None),
    ref("silver").digest.hex[:12]: (["lakehouse"], ["export", "deid"], None),
    ref("package").seal: (["package"], BEFORE_PACKAGE, AFTER_PACKAGE),
    PACKAGE_DIGEST: (["package"], BEFORE_PACKAGE, AFTER_PACKAGE),
    MLFLOW_RUN: (["train"], ROAD[:-1], None),
    APPROVED: (["record.signed"], [*ROAD, "criteria.pinned", "validate"], ["package", *AFTER_PACKAGE]),
    CRITERIA: (["criteria.pinned"], [], ["validate", "record.signed", "record.signed", "package", "monitor"]),
    digest_bytes(b"record 3"): (["prediction.made"], [*BEFORE_PACKAGE, "package"], []),
    WATCH: (["package", "monitor"], BEFORE_PACKAGE, []),
}


@pytest.mark.parametrize("identifier", IDS)
def test_any_id_is_followed_both_ways(identifier: str) -> None:
    named, back, forward = IDS[identifier]
    trail = follow(HISTORY, identifier)
    assert told(trail, trail.starts) == named
    assert told(trail, trail.back) == back
    if forward is not None:
        assert told(trail, trail.forward) == forward


def test_an_event_id_names_its_event_whatever_it_is() -> None:
    for stored in HISTORY:
        trail = follow(HISTORY, stored.event.id)
        absorbed = stored.event.type is EventType.ARTIFACT_MADE
        told_by = trail.entries[trail.starts[0]].event
        if absorbed:
            assert (told_by.type, told_by.stage) == (EventType.STAGE_FINISHED, stored.event.stage)
        else:
            assert trail.starts == (stored.index,)


def test_the_export_leads_forward_to_everything_and_what_is_alike_is_folded() -> None:
    trail = follow(HISTORY, ref("export").digest)
    made = told(trail, trail.forward)
    assert made[:4] == ROAD[1:]
    assert {"gate.refused", "stage.failed", "monitor"} <= set(made)
    assert made.count("record.signed") == 2
    assert made.count("model.transitioned") == 3  # each says something else, so they are never folded
    assert folded(trail) == [("prediction.made", 6)]
    assert trail.forward_count == len(made) + 6


@pytest.mark.parametrize(
    ("predictions", "fold"), [(FOLD_ABOVE, []), (FOLD_ABOVE + 1, [("prediction.made", 4)])]
)
def test_few_that_are_alike_are_told_one_by_one(predictions: int, fold: list[tuple[str, int]]) -> None:
    trail = follow(study(predictions).events, PACKAGE_DIGEST)
    assert folded(trail) == fold
    assert trail.forward_count == predictions + 1


def test_every_entry_is_told_when_asked_for() -> None:
    trail = follow(HISTORY, PACKAGE_DIGEST, every=True)
    assert folded(trail) == []
    assert told(trail, trail.forward) == ["prediction.made"] * 6 + ["monitor"]


def test_a_digest_is_followed_along_its_own_artifact_only() -> None:
    """The lakehouse made bronze and silver; nothing was made of bronze."""
    assert follow(HISTORY, ref("bronze").digest).forward_count == 0
    assert follow(HISTORY, ref("silver").digest).forward_count > 5


def test_the_way_forward_ends_at_what_is_left_out() -> None:
    trail = follow(HISTORY, ref("export").digest, without=frozenset({ref("gold").digest}))
    assert told(trail, trail.forward) == ["deid", "lakehouse", "features"]


@pytest.mark.parametrize(
    ("direction", "back", "forward"),
    [(Direction.BACK, True, False), (Direction.FORWARD, False, True), (Direction.BOTH, True, True)],
)
def test_one_way_or_both(direction: Direction, back: bool, forward: bool) -> None:
    trail = follow(HISTORY, MLFLOW_RUN, direction=direction)
    assert (bool(trail.back), bool(trail.forward)) == (back, forward)


def test_what_was_made_again_leads_from_the_latest_maker() -> None:
    made = study(0)
    again = made.stage("run-9", "train", ["gold"], ["model"], mlflow_run_id="second")
    use = made.stage("run-9", "validate", ["gold", "model"], ["validation"])
    assert again in follow(made.events, made.events[use].event.id).back
    assert use in follow(made.events, "second").forward
    assert use not in follow(made.events, MLFLOW_RUN).forward


@pytest.mark.parametrize("identifier", ["", "nothing", "00000000", ref("gold").digest.hex[:7]])
def test_an_unknown_id_is_refused(identifier: str) -> None:
    with pytest.raises(UnknownId, match="Nothing in the ledger"):
        follow(HISTORY, identifier)


def test_a_beginning_of_two_digests_is_refused() -> None:
    made = study(0)
    one = ref("gold")
    twin = one.digest[:-1] + ("0" if one.digest[-1] != "0" else "1")
    other = ArtifactRef.from_json({**one.as_json(), "digest": twin, "path": "lake/other"})
    made.add(EventType.STAGE_FINISHED, run="run-9", stage="features", outputs=[other])
    with pytest.raises(UsageError, match="More than one digest"):
        follow(made.events, one.digest.hex[:20])


# A ledger of any shape: each event uses some of the artifacts made before it, and makes some.
_names = st.sampled_from("abcdef")
_steps = st.lists(
    st.tuples(st.lists(_names, max_size=3, unique=True), st.lists(_names, max_size=2, unique=True)),
    max_size=25,
)


def _ledger(steps: list[tuple[list[str], list[str]]]) -> list[StoredEvent]:
    return [
        StoredEvent(
            index,
            Event(
                id=f"event-{index}",
                type=EventType.STAGE_FINISHED,
                recorded_at="2026-01-01T00:00:00.000000Z",
                actor="pipeline",
                run_id=f"run-{index}",
                stage="step",
                inputs=tuple(map(ref, used)),
                outputs=tuple(map(ref, made)),
            ),
        )
        for index, (used, made) in enumerate(steps)
    ]


@given(_steps)
def test_forward_is_the_inverse_of_back(steps: list[tuple[list[str], list[str]]]) -> None:
    events = _ledger(steps)
    trails = [follow(events, stored.event.id, every=True) for stored in events]
    for one in range(len(events)):
        assert all(place < one for place in trails[one].back)
        for other in range(len(events)):
            assert (other in trails[one].back) == (one in trails[other].forward)


@given(_steps)
def test_every_trail_can_be_told_and_drawn_the_same_twice(steps: list[tuple[list[str], list[str]]]) -> None:
    for stored in _ledger(steps)[:5]:
        first, second = (follow(_ledger(steps), stored.event.id) for _ in range(2))
        assert list(trail_text(first)) == list(trail_text(second))
        assert trail_picture(first) == trail_picture(second)
        assert json.dumps(first.as_json()) == json.dumps(second.as_json())


def test_the_tree_tells_each_entry_once_and_points_to_it_after() -> None:
    lines = list(trail_text(follow(HISTORY, ref("deid").digest)))
    assert lines[0].startswith(
        f"deid {ref('deid').digest.short}  (deid; entry 7, 2026-01-01T00:00:07Z, person:ada)"
    )
    assert lines.index("Made from (1 entry)") < next(
        n for n, line in enumerate(lines) if "Made from it" in line
    )
    finished = [stored.index for stored in HISTORY if stored.event.type is EventType.STAGE_FINISHED]
    for place in finished[2:]:
        assert sum(f"entry {place}," in line and "shown above" not in line for line in lines) == 1
    assert any("6 × prediction.made  (entries " in line for line in lines)
    assert any("approved by Quinn <Reviewer> & Co" in line for line in lines)


def test_the_json_is_a_graph_of_entries() -> None:
    trail = follow(HISTORY, PACKAGE_DIGEST)
    value = json.loads(json.dumps(trail.as_json()))
    entries = {entry["entry"]: entry for entry in value["entries"]}
    assert [entry["way"] for entry in entries.values()].count("start") == 1
    assert {use["entry"] for entry in entries.values() for use in entry["from"]} <= entries.keys()
    assert value["folded"][0]["count"] == 6
    assert value["back"] == len(BEFORE_PACKAGE)
    assert all("record" in entry and "recorded_at" in entry for entry in entries.values())


def test_the_picture_is_a_drawing_of_the_trail() -> None:
    trail = follow(HISTORY, ref("export").digest)
    svg = trail_picture(trail)
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own text
    space = "{http://www.w3.org/2000/svg}"
    title, description = root.find(f"{space}title"), root.find(f"{space}desc")
    assert title is not None and description is not None
    assert f"{trail.forward_count} entries" in str(description.text)
    texts = [str(text.text) for text in root.iter(f"{space}text")]
    assert "6 × prediction.made" in texts
    assert any("Clara <Reviewer>" in text for text in texts)  # escaped, so it is text again
    boxes = [rect for rect in root.iter(f"{space}rect") if rect.get("width") == "232"]
    assert len(boxes) == len(trail.entries) + 3 * len(trail.folds)
    for rect in boxes:
        assert float(rect.get("x", "-1")) >= 0
        assert float(rect.get("x", "0")) + 232 <= float(root.get("width", "0"))
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")


def test_too_many_boxes_are_refused_with_a_hint() -> None:
    made = study(0)
    for number in range(200):
        made.stage(f"run-{number}", "monitor", ["package"], [f"monitoring-{number}"])
    with pytest.raises(UsageError, match="too many entries for one picture"):
        trail_picture(follow(made.events, PACKAGE_DIGEST))


_arrows = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda arrow: arrow[0] < arrow[1]), max_size=20
)


@given(_arrows)
def test_boxes_stand_below_their_sources_and_apart(arrows: list[tuple[int, int]]) -> None:
    layout = lay_out(range(10), arrows, box_width=100, bend_width=10, gap=20)
    assert all(layout.layer[source] < layout.layer[user] for source, user in arrows)
    for row in set(layout.layer.values()):
        places = sorted(layout.x[box] for box in range(10) if layout.layer[box] == row)
        assert all(right - left >= 120 - 1e-6 for left, right in pairwise(places))
    assert min(layout.x[box] for box in range(10)) >= 0


@given(_arrows)
def test_implied_edges_are_those_of_networkx(arrows: list[tuple[int, int]]) -> None:
    networkx = pytest.importorskip("networkx", reason="networkx comes with Spark's or MLflow's dependencies")
    graph = networkx.DiGraph(arrows)
    kept = set(networkx.transitive_reduction(graph).edges) if arrows else set()
    assert implied(arrows) == set(arrows) - kept


def test_a_fold_knows_its_first_and_last() -> None:
    (fold,) = follow(HISTORY, PACKAGE_DIGEST).folds
    assert isinstance(fold, Fold)
    assert fold.last.index - fold.first.index == 5
    assert follow(HISTORY, RUN).starts[0] == 4
