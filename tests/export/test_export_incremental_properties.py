"""Whatever happens between exports, the increments add up to what a full export brings."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from medcairn.core.canonical import JSON
from medcairn.export import BulkRequest
from medcairn.synthetic.server import HospitalServer

from .changing_hospital import Exporter, lines_of, resource, write_hospital
from .conftest import FakeTime

PATIENTS = 3

Step = tuple[str, int]

steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["put", "put", "delete", "join", "leave", "export", "patient", "no patient", "doctor"]
        ),
        st.integers(0, PATIENTS - 1),
    ),
    min_size=6,
    max_size=20,
)
examples = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HospitalServer]:
    """One hospital for all examples; each has patients and a group of its own."""
    folder = write_hospital(tmp_path_factory.mktemp("hospital") / "data", [resource("Practitioner", "d0")])
    with HospitalServer(folder, open_access=True, polls=0) as running:
        yield running


class Story:
    """One example: a group, its patients, and how they change."""

    def __init__(self, server: HospitalServer) -> None:
        self.server = server
        self.name = f"e{next(examples)}"
        self.request = BulkRequest(level="group", group=self.name)
        self.present: set[tuple[str, str]] = set()
        for number in range(PATIENTS):
            self._put(resource("Patient", self.patient(number)))
            self._put(resource("Condition", f"{self.patient(number)}-c", self.patient(number)))
        for number in range(PATIENTS - 1):
            server.add_member(self.name, self.patient(number))

    def patient(self, number: int) -> str:
        return f"{self.name}-p{number}"

    def happens(self, step: Step, version: int) -> None:
        """One thing in the hospital."""
        what, number = step
        patient = self.patient(number)
        condition = f"{patient}-c"
        if what == "put":
            self._put(resource("Condition", condition, patient, version=version))
        elif what == "delete":
            self._delete("Condition", condition)
        elif what == "patient":
            self._put(resource("Patient", patient, version=version))
        elif what == "no patient":
            self._delete("Patient", patient)
        elif what == "join":
            self.server.add_member(self.name, patient)
        elif what == "leave":
            self.server.remove_member(self.name, patient)
        elif what == "doctor":
            self.server.put(resource("Practitioner", f"d{number}", version=version))

    def members(self) -> set[str]:
        return self.server.members(self.name)

    def _put(self, item: Mapping[str, JSON]) -> None:
        self.server.put(item)
        self.present.add((str(item["resourceType"]), str(item["id"])))

    def _delete(self, resource_type: str, resource_id: str) -> None:
        if (resource_type, resource_id) in self.present:
            self.present.discard((resource_type, resource_id))
            self.server.delete(resource_type, resource_id)


def contents(folder: Path) -> set[tuple[str, str, bytes]]:
    """Type, id and content of every line; a resource that is there twice is an error."""
    lines = [(json.loads(line), line) for line in lines_of(folder)]
    found = [(str(item["resourceType"]), str(item["id"]), line) for item, line in lines]
    assert len({(kind, name) for kind, name, _ in found}) == len(found)
    return set(found)


def owner(line: bytes) -> str | None:
    """Whose a line is."""
    item = json.loads(line)
    if item["resourceType"] == "Patient":
        return str(item["id"])
    return str(item["subject"]["reference"]).removeprefix("Patient/") if "subject" in item else None


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=steps, drop=st.booleans())
@example(steps=[("put", 0), ("delete", 1)], drop=False)
@example(steps=[("leave", 0), ("export", 0), ("delete", 0), ("export", 0), ("join", 0)], drop=False)
@example(steps=[("no patient", 0), ("export", 0), ("put", 0), ("patient", 0)], drop=False)
@example(steps=[("leave", 0), ("join", 2), ("delete", 2), ("put", 2)], drop=True)
def test_increments_add_up_to_a_full_export(server: HospitalServer, steps: list[Step], drop: bool) -> None:
    story, time = Story(server), FakeTime()
    with tempfile.TemporaryDirectory() as root:
        export = Exporter(server, Path(root), time.sleep, time.monotonic)
        previous: Path | None = None
        for version, step in enumerate([("export", 0), *steps, ("export", 0)]):
            if step[0] == "export":
                previous, _ = export(previous, story.request, drop_departed=drop)
            story.happens(step, version)
        assert previous is not None
        full, _ = export(None, story.request)
        extra = contents(previous) - contents(full)
        assert contents(full) <= contents(previous)
        assert {owner(line) for _, _, line in extra}.isdisjoint(story.members() | {None})
        assert not (drop and extra), "who left is gone"
