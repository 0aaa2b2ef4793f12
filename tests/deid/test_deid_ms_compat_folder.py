"""ms-compat on folders: names, order, quarantine, counts, and what the report says of itself."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from medcairn.core.errors import DataError, SettingsError, UsageError
from medcairn.deid.ms_compat import MsConfiguration, ms_compat_folder

from .ms_rules import AS_OF, configured, rule

REDACT = rule("nodesByType('HumanName')", "redact")
SHIFT = rule("nodesByType('date')", "dateShift")
SECRET = "Quillfeather"


def patient(name: str, **more: object) -> str:
    return json.dumps(
        {
            "resourceType": "Patient",
            "id": name,
            "name": [{"family": SECRET}],
            "birthDate": "1980-03-01",
            **more,
        }
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    lines = [
        patient("a"),
        "",
        f'{{"broken": "{SECRET}"',
        f'["{SECRET}"]',
        json.dumps({"resourceType": SECRET}),
        json.dumps({"resourceType": "Observation", "id": "o"}),
        '{"resourceType":"Patient"' + ',"extension":[{"url":"u"' * 150 + "}]" * 150 + "}",
        patient("b", banana=SECRET, gender=7),
    ]
    (folder / "Patient.000.ndjson").write_bytes(b"\xef\xbb\xbf" + "\n".join(lines).encode())
    (folder / "Patient.001.ndjson").write_text(patient("c") + "\n")
    (folder / "Location.ndjson").write_text("")
    (folder / "log.ndjson").write_text("{}\n")
    return folder


def test_lines_leave_in_order_and_bad_ones_go_to_quarantine(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    report = ms_compat_folder(source, out, configuration=configured(REDACT), as_of=AS_OF)
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
    assert sorted(path.name for path in out.iterdir()) == [
        "Location.ndjson",
        "Patient.000.ndjson",
        "Patient.001.ndjson",
        "quarantine.ndjson",
    ]
    left = [json.loads(line) for line in (out / "Patient.000.ndjson").read_text().splitlines()]
    assert [found["id"] for found in left] == ["a", "b"]
    quarantined = [json.loads(line) for line in (out / "quarantine.ndjson").read_text().splitlines()]
    assert [(found["line"], found["reason"]) for found in quarantined] == [
        (3, "invalid_json"),
        (4, "wrong_shape"),
        (5, "unknown_type"),
        (6, "other_type_than_file"),
        (7, "wrong_shape"),
    ]
    assert not any(SECRET in path.read_text() for path in out.iterdir())
    assert SECRET not in json.dumps(report.facts())
    assert report.read == {"Patient": 8}
    assert report.resources_left + report.resources_quarantined == report.resources_read
    assert (report.files, report.files_passed_over) == (3, 1)
    assert report.facts()["members_dropped"] != 0


def test_the_report_says_that_it_is_not_safe_harbor(source: Path, tmp_path: Path) -> None:
    facts = ms_compat_folder(
        source,
        tmp_path / "out",
        configuration=configured(REDACT, rule("Patient.nmae", "redact")),
        as_of=AS_OF,
    ).facts()
    assert facts["mode"] == "ms-compat"
    assert facts["safe_harbor"] is False
    assert "not the Safe Harbor mode" in str(facts["statement"])
    assert facts["rules_without_target"] == [1]


def test_the_same_inputs_give_the_same_bytes(source: Path, tmp_path: Path) -> None:
    configuration = configured(REDACT, SHIFT, rule("Resource.id", "encrypt"))
    for name in ("one", "two"):
        ms_compat_folder(source, tmp_path / name, configuration=configuration, as_of=AS_OF)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize(("scope", "different"), [("resource", 3), ("file", 2), ("folder", 1)])
def test_scopes_of_the_date_shift(source: Path, tmp_path: Path, scope: str, different: int) -> None:
    ms_compat_folder(
        source, tmp_path / "out", configuration=configured(SHIFT, dateShiftScope=scope), as_of=AS_OF
    )
    lines = [
        json.loads(line)
        for name in ("Patient.000.ndjson", "Patient.001.ndjson")
        for line in (tmp_path / "out" / name).read_text().splitlines()
    ]
    assert len({found["birthDate"] for found in lines}) == different


def test_a_rule_that_cannot_be_applied_ends_the_run_or_empties_the_resource(
    source: Path, tmp_path: Path
) -> None:
    odd = rule("nodesByType('HumanName').family", "generalize", cases={"$this > 1": "1"})
    with pytest.raises(DataError) as caught:
        ms_compat_folder(source, tmp_path / "out", configuration=configured(odd), as_of=AS_OF)
    assert caught.value.fields == {"rule": 0, "file": source / "Patient.000.ndjson", "line": 1}
    assert caught.value.__context__ is None
    report = ms_compat_folder(
        source, tmp_path / "out", configuration=configured(odd, errors="skip"), as_of=AS_OF
    )
    assert report.emptied == report.resources_left == 3
    assert SECRET not in (tmp_path / "out" / "Patient.000.ndjson").read_text()


def test_what_is_refused_before_anything_is_written(source: Path, tmp_path: Path) -> None:
    good = configured(REDACT)
    with pytest.raises(UsageError):
        ms_compat_folder(source, source, configuration=good, as_of=AS_OF)
    with pytest.raises(UsageError):
        ms_compat_folder(tmp_path / "none", tmp_path / "out", configuration=good, as_of=AS_OF)
    keyless = MsConfiguration.parse(
        json.dumps({"fhirPathRules": [rule("Patient.id", "cryptoHash")]}).encode()
    )
    with pytest.raises(SettingsError):
        ms_compat_folder(source, tmp_path / "out", configuration=keyless, as_of=AS_OF)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["configuration-sample", "configuration-sample-with-dateshiftfixedoffset"])
def test_the_sample_configurations_on_synthea(synthea: Path, tmp_path: Path, name: str) -> None:
    """The first resources of every type; all of both sets take half a minute."""
    suite = Path(__file__).resolve().parents[2].parent / "shared" / "conformance" / "deid" / "microsoft"
    if not suite.is_dir():
        pytest.skip("the shared conformance data are not here")
    source = tmp_path / "source"
    source.mkdir()
    for path in synthea.iterdir():
        with path.open("rb") as lines:
            (source / path.name).write_bytes(b"".join(islice(lines, 30)))
    configuration = MsConfiguration.read(suite / "sample-configurations" / f"{name}.json").keyed(b"k" * 32)
    report = ms_compat_folder(source, tmp_path / "out", configuration=configuration, as_of=AS_OF)
    assert report.resources_left == report.resources_read > 200
    assert (report.members_dropped, report.emptied, report.resources_quarantined) == (0, 0, 0)
    for line in (tmp_path / "out" / "Patient.ndjson").read_text().splitlines():
        patient = json.loads(line)
        assert {key for found in patient["name"] for key in found} == {"use"}
        assert not {"text", "telecom", "extension"} & patient.keys()
        born = patient.get("birthDate", "1980-03-01")  # none when over 89
        assert len(born) == 10, "month and day survive: this is not Safe Harbor"
