"""The way that nothing goes wrong on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medcairn.core.digests import digest_file
from medcairn.core.errors import UsageError
from medcairn.export import BulkRequest, SmartCredentials, credentials_of, new_client_key, public_jwks

from .conftest import Export, names
from .simulator import TRANSACTION_TIME, SimFile, Simulator, ndjson, resource


def test_files_are_the_servers_bytes_in_order_of_type_and_manifest(
    hospital: Simulator, export: Export, out: Path
) -> None:
    report = export(hospital)

    assert names(out) == [
        "Condition.000.ndjson",
        "Patient.000.ndjson",
        "Patient.001.ndjson",
    ]
    assert (out / "Patient.000.ndjson").read_bytes() == hospital.files[0].body
    assert (out / "Condition.000.ndjson").read_bytes() == hospital.files[1].body
    assert (out / "Patient.001.ndjson").read_bytes() == hospital.files[2].body
    assert [str(file.name) for file in report.files] == names(out)
    assert all(file.digest == digest_file(out / file.name) for file in report.files)
    assert report.resources == {"Condition": 2, "Patient": 5}
    assert report.transaction_time == TRANSACTION_TIME


def test_facts_hold_no_time_and_are_the_same_for_a_second_export(hospital: Simulator, export: Export) -> None:
    first, second = export(hospital).facts(), export(hospital).facts()
    assert first == second
    assert TRANSACTION_TIME not in json.dumps(first)
    assert hospital.kick_offs == 2


def test_the_job_is_deleted_on_the_server(hospital: Simulator, export: Export) -> None:
    export(hospital)
    assert [seen.path for seen in hospital.requests("/status/", "DELETE")] == ["/status/job1"]


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (BulkRequest(), "/fhir/$export"),
        (BulkRequest(level="patient"), "/fhir/Patient/$export"),
        (BulkRequest(level="group", group="icu-7"), "/fhir/Group/icu-7/$export"),
    ],
    ids=["system", "patient", "group"],
)
def test_each_level_has_its_own_operation(
    hospital: Simulator, export: Export, request_: BulkRequest, path: str
) -> None:
    export(hospital, request_)
    assert [seen.path for seen in hospital.seen if seen.path.endswith("$export")] == [path]


def test_types_and_since_are_sent(hospital: Simulator, export: Export) -> None:
    export(hospital, BulkRequest(types=("Patient", "Condition"), since="2025-01-31T10:00:00+02:00"))
    kick_off = hospital.requests("/fhir/$export")[0]
    assert kick_off.query == {"_type": ["Patient,Condition"], "_since": ["2025-01-31T10:00:00+02:00"]}
    assert kick_off.headers["accept"] == "application/fhir+json"


def test_a_day_starts_at_midnight_utc() -> None:
    assert BulkRequest(since="2025-01-31").parameters() == [("_since", "2025-01-31T00:00:00Z")]


@pytest.mark.parametrize(
    "settings",
    [
        {"level": "group"},
        {"group": "g"},
        {"level": "group", "group": "../Patient"},
        {"types": ("Patient", "Smith")},
        {"since": "yesterday"},
        {"since": "2025-01-31T10:00:00"},
    ],
    ids=str,
)
def test_a_request_that_no_server_could_answer_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        BulkRequest(**settings)  # type: ignore[arg-type]
    assert "Smith" not in str(caught.value)


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_backend_services_with_both_algorithms(export: Export, algorithm: str) -> None:
    key = new_client_key(algorithm)  # type: ignore[arg-type]
    keys = {jwk["kid"]: jwk for jwk in public_jwks(key)["keys"]}
    with Simulator([ndjson("Patient", 2)], client_keys=keys) as simulator:
        report = export(simulator, credentials=credentials_of("me", key))
        assert report.resources == {"Patient": 2}
        assert simulator.assertion_problems == []
        assert len(simulator.tokens) == 1
        assert all(seen.token for seen in simulator.requests("/files/"))


def test_no_token_for_files_that_need_none(
    guarded: Simulator, export: Export, credentials: SmartCredentials
) -> None:
    guarded.requires_access_token = False
    export(guarded, credentials=credentials)
    assert [seen.token for seen in guarded.requests("/files/")] == [None, None, None]
    assert all(seen.token for seen in guarded.requests("/status/"))


def test_a_line_separator_inside_a_string_splits_no_line(export: Export, out: Path) -> None:
    body = resource("Patient", 1, note="one\u2028two\u2029three\x85four") + resource("Patient", 2)
    with Simulator([SimFile("Patient", body, count=2)]) as simulator:
        assert export(simulator).resources == {"Patient": 2}
    assert (out / "Patient.000.ndjson").read_bytes() == body


def test_compressed_transfer_is_unpacked(hospital: Simulator, export: Export, out: Path) -> None:
    hospital.compress = True
    export(hospital)
    assert (out / "Patient.000.ndjson").read_bytes() == hospital.files[0].body


@pytest.mark.parametrize("count", [2, "2", None, "many"])
def test_counts_may_be_numbers_text_or_absent(export: Export, count: int | str | None) -> None:
    file = SimFile(
        "Patient", resource("Patient", 1) + b"\n" + resource("Patient", 2).rstrip(b"\n"), count=count
    )
    with Simulator([file]) as simulator:
        assert export(simulator).resources == {"Patient": 2}


def test_deletions_are_kept_beside_the_data(hospital: Simulator, export: Export, out: Path) -> None:
    hospital.deleted = [ndjson("Bundle", 2)]
    report = export(hospital)
    assert report.deletion_files == 1
    assert (out / "deletions" / "Bundle.000.ndjson").read_bytes() == hospital.deleted[0].body
    assert "Bundle" not in report.resources


def test_relative_addresses_are_relative_to_the_status(export: Export) -> None:
    file = ndjson("Patient", 1)
    with Simulator([SimFile(file.resource_type, file.body, 1, url="../files/output/0")]) as simulator:
        assert export(simulator).resources == {"Patient": 1}


def test_many_small_files(export: Export, out: Path) -> None:
    with Simulator([ndjson("Observation", 1, start=n) for n in range(60)]) as simulator:
        report = export(simulator)
        assert len(report.files) == 60
        for number, file in enumerate(simulator.files):
            assert (out / f"Observation.{number:03d}.ndjson").read_bytes() == file.body
