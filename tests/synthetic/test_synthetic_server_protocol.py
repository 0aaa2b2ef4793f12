"""The breadth of Bulk Data export: parameters by GET and POST, groups, changes, forms of output."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from medcairn.core.errors import UsageError
from medcairn.synthetic.server import Faults

from .server_visitor import KICK_OFF, LENIENT, PATIENTS, Visitor, issue, small_hospital, visiting

OBSERVATIONS = 2 * PATIENTS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_hospital(tmp_path_factory.mktemp("protocol") / "records")


@pytest.fixture(scope="module")
def visitor(folder: Path) -> Any:
    with visiting(folder) as visitor:
        yield visitor


def _parameters(*parameters: tuple[str, str, object]) -> dict[str, Any]:
    """``(name, type, value)`` as a Parameters resource."""
    found = [{"name": name, f"value{kind}": value} for name, kind, value in parameters]
    return {"resourceType": "Parameters", "parameter": found}


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Parameters


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("_type=Patient,Condition", [("_type", "String", "Patient,Condition")]),
        ("_type=Patient&_type=Condition", [("_type", "String", "Patient"), ("_type", "String", "Condition")]),
        ("_since=2024-06-01T00:00:00Z", [("_since", "Instant", "2024-06-01T00:00:00Z")]),
        ("_until=2024-06-01T00:00:00Z", [("_until", "Instant", "2024-06-01T00:00:00Z")]),
        (
            "_type=Observation&_typeFilter=Observation%3Fcategory%3Dlaboratory",
            [
                ("_type", "String", "Observation"),
                ("_typeFilter", "String", "Observation?category=laboratory"),
            ],
        ),
        ("_elements=id,Patient.gender", [("_elements", "String", "id,Patient.gender")]),
        ("organizeOutputBy=Patient", [("organizeOutputBy", "String", "Patient")]),
        ("_outputFormat=application/fhir%2Bndjson", [("_outputFormat", "String", "application/fhir+ndjson")]),
        ("allowPartialManifests=true", [("allowPartialManifests", "Boolean", True)]),
    ],
)
def test_post_means_what_get_means(visitor: Visitor, query: str, parameters: list[Any]) -> None:
    by_get = visitor.export(f"/$export?{query}")
    assert by_get == visitor.export("/$export", json=_parameters(*parameters))
    assert by_get


def test_since_and_until_bound_the_changes(visitor: Visitor) -> None:
    ids = visitor.ids("/$export?_since=2024-03-16T00:00:00Z&_until=2024-06-16T00:00:00Z")
    assert ids == {"Observation": ["o3", "o4"]}


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        ("code=1001-1", ["o1", "o5", "o9"]),
        ("code=http://loinc.org|1001-1", ["o1", "o5", "o9"]),
        ("code=1001-1,1002-1", ["o1", "o2", "o5", "o6", "o9", "o10"]),
        ("code=1001-1&status=amended", ["o9"]),
        ("category=laboratory&date=ge2024-08", ["o7", "o9", "o11"]),
        ("date=gt2024-11-15T08:00:00Z", ["o11"]),
        ("patient=Patient/p2", ["o4", "o5"]),
        ("_lastUpdated=lt2024-02-16", ["o0"]),
    ],
)
def test_a_type_filter_is_a_search(visitor: Visitor, search: str, ids: list[str]) -> None:
    found = visitor.ids("/$export", json=_parameters(("_typeFilter", "String", f"Observation?{search}")))
    assert found["Observation"] == ids
    assert len(found["Patient"]) == PATIENTS


def test_type_filters_of_one_type_are_alternatives(visitor: Visitor) -> None:
    wanted = {"Observation": ["o1", "o3", "o5", "o9"], "Patient": ["p3"]}
    filters = ("Observation?code=1001-1", "Observation?date=2024-04-15", "Patient?_id=p3")
    repeated = _parameters(*(("_typeFilter", "String", text) for text in filters))
    repeated["parameter"] += [{"name": "_type", "valueString": "Observation,Patient"}]
    assert visitor.ids("/$export", json=repeated) == wanted
    listed = _parameters(
        ("_typeFilter", "String", ",".join(filters)), ("_type", "String", "Observation,Patient")
    )
    assert visitor.ids("/$export", json=listed) == wanted


def test_elements_leave_what_was_asked_for_and_what_must_be(visitor: Visitor) -> None:
    found = visitor.export("/$export?_elements=Patient.gender,Observation.effectiveDateTime,issued")
    assert all(set(item) == {"resourceType", "id", "meta", "gender"} for item in found["Patient"])
    kept = {"resourceType", "id", "meta", "status", "code", "effectiveDateTime"}
    assert all(set(item) == kept for item in found["Observation"])
    assert {item["meta"]["tag"][0]["code"] for item in found["Condition"]} == {"SUBSETTED"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("_typeFilter=Observation%3F_include%3Dx", "not-supported"),
        ("_typeFilter=Observation%3Fdate%3Dsoon", "not-supported"),
        ("_typeFilter=Observation", "not-supported"),
        ("_type=Patient&_typeFilter=Observation%3Fcode%3Da", "invalid"),
        ("_elements=Patient.name.family", "value"),
        ("includeAssociatedData=Everything", "not-supported"),
        ("organizeOutputBy=Encounter", "not-supported"),
        ("allowPartialManifests=perhaps", "value"),
        ("_until=2024", "value"),
        ("_since=2024-01-01T00:00:00Z&_since=2024-01-01T00:00:00Z", "value"),
        ("patient=Patient/p1", "not-supported"),
    ],
)
def test_wrong_parameters_get_an_outcome(visitor: Visitor, query: str, code: str) -> None:
    refused = visitor.begin(f"/$export?{query}")
    assert (refused.status_code, issue(refused)) == (400, code)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"resourceType":"Patient"}',
        b'{"resourceType":"Parameters","parameter":[{"name":"_type"}]}',
        b'{"resourceType":"Parameters","parameter":[{"name":"_what","valueString":"x"}]}',
    ],
)
def test_wrong_bodies_get_an_outcome(visitor: Visitor, body: bytes) -> None:
    refused = visitor.http.post("/$export", content=body, headers=KICK_OFF)
    assert refused.status_code == 400
    assert issue(refused) in {"structure", "value", "not-supported"}


def test_ignored_parameters_are_told_of(visitor: Visitor) -> None:
    manifest = visitor.manifest("/$export?_type=Patient&_what=1&_more=2", headers=LENIENT)
    (told,) = manifest["error"]
    assert told["count"] == 2
    assert len(visitor.fetch([told])["OperationOutcome"]) == 2


# Patients and groups


def test_patients_can_be_named(visitor: Visitor) -> None:
    named = [("patient", "Reference", {"reference": f"Patient/{one}"}) for one in ("p1", "p4")]
    ids = visitor.ids("/Patient/$export", json=_parameters(*named))
    assert ids == {
        "Condition": ["c1", "c4"],
        "Observation": ["o2", "o3", "o8", "o9"],
        "Organization": ["org"],
        "Patient": ["p1", "p4"],
    }


def test_patients_out_of_reach_are_refused_unless_leniency_is_asked_for(visitor: Visitor) -> None:
    member, other = (("patient", "Reference", {"reference": f"Patient/{one}"}) for one in ("p0", "p1"))
    both = _parameters(member, other)
    refused = visitor.begin("/Group/cohort/$export", json=both)
    assert (refused.status_code, issue(refused)) == (400, "not-found")
    lenient = visitor.ids("/Group/cohort/$export", json=both, headers=LENIENT)
    assert lenient["Patient"] == ["p0"]
    nobody = _parameters(("patient", "Reference", {"reference": "Patient/nobody"}))
    assert visitor.begin("/Patient/$export", json=nobody).status_code == 400
    assert visitor.begin("/$export", json=both).status_code == 400


def test_groups_can_be_read(visitor: Visitor) -> None:
    group = visitor.http.get("/Group/cohort").json()
    assert (group["resourceType"], group["quantity"]) == ("Group", 3)
    assert [item["entity"]["reference"] for item in group["member"]] == [f"Patient/p{n}" for n in (0, 2, 4)]
    assert [item["resource"]["id"] for item in visitor.http.get("/Group").json()["entry"]] == [
        "cohort",
        "everyone",
    ]
    assert visitor.http.get("/Group/nobody").status_code == 404


def test_groups_gain_and_lose_members(folder: Path) -> None:
    with visiting(folder) as visitor:
        joined = _instant("2025-02-01")
        visitor.server.add_member("cohort", "p1", at=joined)
        visitor.server.remove_member("cohort", "p4")
        visitor.server.add_member("new", "p5")
        assert visitor.server.members("cohort") == {"p0", "p1", "p2"}
        group = visitor.http.get("/Group/cohort").json()
        (late,) = [item for item in group["member"] if "period" in item]
        assert late["entity"]["reference"] == "Patient/p1"
        assert late["period"]["start"] == "2025-02-01T00:00:00.000000Z"
        assert visitor.ids("/Group/cohort/$export?_type=Patient")["Patient"] == ["p0", "p1", "p2"]
        assert visitor.ids("/Group/new/$export?_type=Condition") == {"Condition": ["c5"]}
        with pytest.raises(UsageError, match="no such group"):
            visitor.server.remove_member("nobody", "p1")


def test_a_resource_may_be_of_several_subjects(folder: Path) -> None:
    with visiting(folder) as visitor:
        links: list[Any] = [{"reference": "Device/d"}, {"reference": "Patient/p2"}]
        visitor.server.put(
            {"resourceType": "Account", "id": "a", "subject": links, "member": 1, "target": "x"}
        )
        assert visitor.ids("/Group/cohort/$export?_type=Account") == {"Account": ["a"]}


def test_groups_of_the_folder_can_be_exported(tmp_path: Path) -> None:
    folder = small_hospital(tmp_path / "records")
    group = {
        "resourceType": "Group",
        "id": "stored",
        "member": [{"entity": {"reference": "Patient/p3"}}, {"entity": {"reference": "Device/d"}}],
    }
    (folder / "Group.000.ndjson").write_text(json.dumps(group) + "\n")
    with visiting(folder) as visitor:
        assert visitor.ids("/Group/stored/$export?_type=Patient") == {"Patient": ["p3"]}


# Changes and deletions


def test_what_changes_is_exported_since_then(folder: Path) -> None:
    before = (folder / "Patient.000.ndjson").read_bytes()
    with visiting(folder) as visitor:
        first = visitor.manifest()
        visitor.server.put(
            {"resourceType": "Patient", "id": "p1", "gender": "other"}, at=_instant("2025-01-05")
        )
        visitor.server.put({"resourceType": "Device", "id": "new", "patient": {"reference": "Patient/p1"}})
        second = visitor.manifest(f"/$export?_since={first['transactionTime']}")
        found = visitor.fetch(second["output"])
        assert second["transactionTime"] == "2025-01-05T00:00:01.000000Z" == visitor.server.transaction_time
        assert [item["id"] for item in found["Device"]] == ["new"]
        (changed,) = found["Patient"]
        assert (changed["gender"], changed["meta"]["lastUpdated"]) == ("other", "2025-01-05T00:00:00.000000Z")
        whole = visitor.export("/Patient/$export?_type=Patient,Device")
        assert sorted(item["id"] for item in whole["Patient"]) == [f"p{n}" for n in range(PATIENTS)]
        assert len(whole["Device"]) == 1
    assert (folder / "Patient.000.ndjson").read_bytes() == before


def test_what_is_deleted_is_told_in_transactions(folder: Path) -> None:
    with visiting(folder) as visitor:
        for deleted in ("o0", "o1", "o2"):
            visitor.server.delete("Observation", deleted)
        visitor.server.delete("Condition", "c5")
        since = "_since=2025-01-01T00:00:00Z"
        manifest = visitor.manifest(f"/$export?{since}")
        assert manifest["output"] == []
        (entry,) = manifest["deleted"]
        bundles = visitor.fetch([entry])["Bundle"]
        assert entry["count"] == len(bundles) == 2
        assert all(bundle["type"] == "transaction" for bundle in bundles)
        requests = [part["request"] for bundle in bundles for part in bundle["entry"]]
        assert {request["method"] for request in requests} == {"DELETE"}
        urls = [request["url"] for request in requests]
        assert urls == ["Observation/o0", "Observation/o1", "Observation/o2", "Condition/c5"]
        assert "deleted" not in visitor.manifest("/$export")
        (of_type,) = visitor.manifest(f"/$export?{since}&_type=Condition")["deleted"]
        assert of_type["count"] == 1
        (of_group,) = visitor.manifest(f"/Group/cohort/$export?{since}")["deleted"]
        gone = visitor.fetch([of_group])["Bundle"][0]["entry"]
        assert [part["request"]["url"] for part in gone] == ["Observation/o0", "Observation/o1"]
        assert "o0" not in visitor.ids("/$export?_type=Observation")["Observation"]
        visitor.server.put({"resourceType": "Condition", "id": "c5"})
        assert "deleted" not in visitor.manifest(f"/$export?{since}&_type=Condition")


def test_a_deleted_patient_leaves_the_group(folder: Path) -> None:
    with visiting(folder) as visitor:
        visitor.server.delete("Patient", "p2")
        assert visitor.server.members("cohort") == {"p0", "p4"}
        assert visitor.http.get("/Patient/p2").status_code == 404


def test_deletions_can_be_a_fault(folder: Path) -> None:
    with visiting(folder, Faults(deleted=frozenset({"Patient/p1"}))) as visitor:
        (entry,) = visitor.manifest("/$export?_since=2024-12-31T00:00:00Z")["deleted"]
        assert (entry["type"], entry["count"]) == ("Bundle", 1)
        assert "p1" not in visitor.ids("/$export?_type=Patient")["Patient"]
    with (
        pytest.raises(UsageError, match="no such resource"),
        visiting(folder, Faults(deleted=frozenset({"Device/none"}))),
    ):
        pass


@pytest.mark.parametrize(
    "resource", [{}, {"resourceType": "Patient"}, {"id": "a"}, {"resourceType": 1, "id": "a"}]
)
def test_what_is_no_resource_cannot_be_put(folder: Path, resource: dict[str, Any]) -> None:
    with visiting(folder) as visitor, pytest.raises(UsageError):
        visitor.server.put(resource)


def test_changes_need_a_time_zone(folder: Path) -> None:
    with visiting(folder) as visitor, pytest.raises(UsageError, match="time zone"):
        visitor.server.put({"resourceType": "Patient", "id": "a"}, at=datetime(2025, 1, 1))  # noqa: DTZ001


# Provenance


@pytest.fixture(scope="module")
def with_provenance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_hospital(tmp_path_factory.mktemp("provenance") / "records")
    told = [
        ("v1", "2024-01-01T00:00:00Z", ["Patient/p0"]),
        ("v2", "2024-02-01T00:00:00Z", ["Patient/p0", "Condition/c0"]),
        ("v3", "2024-01-01T00:00:00Z", ["Patient/p1"]),
        ("v4", "2024-01-01T00:00:00Z", ["Device/d"]),
    ]
    lines = [
        json.dumps(
            {
                "resourceType": "Provenance",
                "id": one,
                "recorded": at,
                "target": [{"reference": target} for target in targets],
            }
        )
        for one, at, targets in told
    ]
    (folder / "Provenance.000.ndjson").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("/$export", ["v1", "v2", "v3", "v4"]),
        ("/$export?_type=Patient", None),
        ("/Patient/$export", ["v1", "v2", "v3"]),
        ("/Group/cohort/$export", ["v1", "v2"]),
        ("/$export?_type=Patient&includeAssociatedData=RelevantProvenanceResources", ["v1", "v2", "v3"]),
        ("/$export?_type=Patient&includeAssociatedData=LatestProvenanceResources", ["v2", "v3"]),
        (
            "/Group/cohort/$export?includeAssociatedData=LatestProvenanceResources,RelevantProvenanceResources",
            ["v1", "v2"],
        ),
    ],
)
def test_provenance_goes_with_what_it_speaks_of(
    with_provenance: Path, path: str, ids: list[str] | None
) -> None:
    with visiting(with_provenance) as visitor:
        assert visitor.ids(path).get("Provenance") == ids


# Forms of output


def test_output_by_patient_has_a_header_before_each(visitor: Visitor) -> None:
    manifest = visitor.manifest("/Group/cohort/$export?organizeOutputBy=Patient")
    assert manifest["outputOrganizedBy"] == "Patient"
    (entry,) = manifest["output"]
    assert "type" not in entry
    lines = visitor.fetch([entry])[""]
    blocks = [
        [line["id"] for line in lines if _whose(line) == patient and line["resourceType"] != "Parameters"]
        for patient in ("p0", "p2", "p4")
    ]
    assert blocks == [["p0", "c0", "o0", "o1"], ["p2", "c2", "o4", "o5"], ["p4", "c4", "o8", "o9"]]
    headers = [number for number, line in enumerate(lines) if line["resourceType"] == "Parameters"]
    assert headers == [0, 5, 10]
    assert all(lines[number]["parameter"][0]["name"] == "header" for number in headers)


def _whose(line: dict[str, Any]) -> str:
    if line["resourceType"] == "Parameters":
        return str(line["parameter"][0]["valueReference"]["reference"]).removeprefix("Patient/")
    return str(line["id"] if line["resourceType"] == "Patient" else line["subject"]["reference"][8:])


@pytest.mark.parametrize("most", [3, 5, 7, 11])
def test_blocks_are_split_only_when_they_must_be(folder: Path, most: int) -> None:
    with visiting(folder, lines_per_file=most) as visitor:
        outputs = visitor.manifest("/Patient/$export?organizeOutputBy=Patient")["output"]
        assert all(entry["count"] <= most for entry in outputs)
        files = {entry["url"]: visitor.fetch([entry])[""] for entry in outputs}
        assert all(lines[0]["resourceType"] == "Parameters" for lines in files.values())
        continued = {
            entry["url"]: entry["continuesInFile"] for entry in outputs if "continuesInFile" in entry
        }
        assert bool(continued) is (most < 5)
        for url, following in continued.items():
            assert _whose(files[url][-1]) == _whose(files[following][0])
        ids = [line["id"] for lines in files.values() for line in lines if "id" in line]
        assert len(ids) == len(set(ids)) == PATIENTS + PATIENTS + OBSERVATIONS


def test_partial_manifests_come_before_the_end_and_in_pages(folder: Path) -> None:
    with visiting(folder, polls=2, lines_per_file=1) as visitor:
        begun = visitor.begin("/$export?_type=Observation,Patient&allowPartialManifests=true")
        where = begun.headers["Content-Location"]
        early = [visitor.http.get(where) for _ in range(2)]
        assert [answer.status_code for answer in early] == [202, 202]
        assert len(early[1].json()["output"]) == 10
        assert "link" not in early[1].json()
        first = visitor.poll(where).json()
        second = visitor.http.get(first["link"][0]["url"]).json()
        assert [entry["type"] for entry in first["output"]] == ["Observation"] * 10
        assert len(second["output"]) == OBSERVATIONS + PATIENTS - 10
        assert "link" not in second


def test_a_manifest_says_when_its_files_expire(visitor: Visitor) -> None:
    where = visitor.begin("/$export?_type=Patient").headers["Content-Location"]
    answer = visitor.poll(where)
    expires = datetime.strptime(answer.headers["Expires"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert expires > datetime.now(UTC)
    assert answer.headers["Content-Type"] == "application/json"
