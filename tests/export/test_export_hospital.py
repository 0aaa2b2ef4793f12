"""Everything that servers do wrong, by the switches of the synthetic hospital: the export is the same."""

from __future__ import annotations

import json
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from medcairn.core.clock import SystemClock
from medcairn.core.errors import DataError, ExternalError, UsageError
from medcairn.core.progress import NoProgress
from medcairn.export import (
    BulkRequest,
    Credentials,
    SecretCredentials,
    export_bulk,
    export_files,
    load_secret,
    public_jwks,
)
from medcairn.synthetic import write_ndjson
from medcairn.synthetic.server import HospitalServer
from medcairn.synthetic.server.faults import ALWAYS, Faults, Gzip, KickOffBy, Phase, Redirect

from .conftest import CLIENT_ID, FakeTime, data_of, names
from .hospital_client import START, ServedHospital


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "hospital"
    write_ndjson(folder, patients=4, seed=7, progress=NoProgress())
    return folder


@pytest.fixture(scope="module")
def truth(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the hospital holds, landed as files without a server."""
    folder = tmp_path_factory.mktemp("truth")
    export_files(data, folder, progress=NoProgress())
    return data_of(folder)


@pytest.fixture
def served(data: Path, tmp_path: Path, fake_time: FakeTime) -> ServedHospital:
    return ServedHospital(data, tmp_path, fake_time)


@pytest.fixture
def clients(client_key: bytes) -> dict[str, object]:
    return {CLIENT_ID: public_jwks(client_key)}


def by_type(data: dict[str, bytes]) -> dict[str, list[bytes]]:
    """Lines by resource type, however many files they came in."""
    found: dict[str, list[bytes]] = {}
    for name in sorted(data):
        found.setdefault(name.partition(".")[0], []).extend(data[name].splitlines(keepends=True))
    return found


HTTP_DATE = format_datetime(START + timedelta(seconds=1030), usegmt=True)
WHILE_WAITING = frozenset({Phase.KICK_OFF, Phase.STATUS})

PASSING: dict[str, Faults] = {
    "transient 500": Faults(transient=2),
    "transient 500 of the token endpoint": Faults(transient=2, phases=frozenset({Phase.TOKEN})),
    "429": Faults(rate_limit=2),
    "429 with seconds": Faults(rate_limit=2, retry_after="7"),
    "429 with an HTTP-date": Faults(rate_limit=1, retry_after=HTTP_DATE),
    "429 with epoch seconds": Faults(rate_limit=2, retry_after="1893456000", phases=WHILE_WAITING),
    "429 with epoch milliseconds": Faults(rate_limit=1, retry_after="1893456000000", phases=WHILE_WAITING),
    "429 with a negative": Faults(rate_limit=2, retry_after="-5"),
    "429 with garbage": Faults(rate_limit=2, retry_after="soon"),
    "503": Faults(unavailable=2),
    "503 that lasts while the job runs": Faults(unavailable=20, phases=frozenset({Phase.STATUS})),
    "errors in HTML": Faults(unavailable=1, transient=1, html_errors=True),
    "a DELETE that fails at first": Faults(transient=1, phases=frozenset({Phase.DELETE})),
    "polls without a word": Faults(silent_polls=5),
    "polls with a broken Retry-After": Faults(poll_retry_after="1893456000"),
    "connection dropped in each file": Faults(drop_connection=2),
    "each file cut within a line": Faults(truncated=1),
    "each file short of its length": Faults(short_body=1),
    "a bad line at first": Faults(bad_line=1),
    "a wrong type at first": Faults(wrong_type=1),
    "one fault after the other": Faults(drop_connection=1, truncated=1, bad_line=1, rate_limit=1),
    "files expired, 410": Faults(expired=1),
    "files expired, 404": Faults(expired=1, expired_status=404),
    "signed addresses": Faults(signed_urls=True),
    "signed addresses that expired": Faults(signed_urls=True, expired=1),
    "files on another port": Faults(redirect=Redirect.PORT),
    "files on another host": Faults(redirect=Redirect.HOST),
    "gzip whether asked for or not": Faults(gzip=Gzip.ALWAYS),
    "no gzip": Faults(gzip=Gzip.NEVER),
    "gzip on a connection that drops": Faults(gzip=Gzip.ALWAYS, drop_connection=1),
    "no charset": Faults(no_charset=True),
    "another content type": Faults(content_type="application/octet-stream"),
    "several files of a type": Faults(lines_per_file=40),
    "a manifest of many pages": Faults(page_size=1),
    "pages, several files, signed and expired": Faults(
        page_size=3,
        lines_per_file=40,
        signed_urls=True,
        expired=1,
    ),
    "outcome for error": Faults(outcome_for_error=True),
    "POST alone": Faults(kick_off=KickOffBy.POST),
    "GET alone": Faults(kick_off=KickOffBy.GET),
    "files that refuse a token": Faults(files_without_token=True),
    "tokens of three uses": Faults(token_uses=3),
    "slow files": Faults(drip=2_000_000),
}

ONE_AT_A_TIME = {"tokens of three uses"}
"""Where streams would use up each other's tokens: a 401 is answered with a new token once."""


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_changes_nothing(
    served: ServedHospital,
    truth: dict[str, bytes],
    credentials: Credentials,
    clients: dict[str, object],
    fault: str,
) -> None:
    with served(credentials=credentials, clients=clients, faults=PASSING[fault]) as client:
        report = client.export(parallel=1 if fault in ONE_AT_A_TIME else 4)
        assert by_type(data_of(client.out)) == by_type(truth)
        assert len(client.asked("$export", "GET") + client.asked("$export", "POST")) <= 2 + len(
            [asked for asked in client.asked("$export") if asked.status >= 400]
        )
        assert len([asked for asked in client.asked("/bulk-jobs/", "DELETE") if asked.status == 202]) == 1
        assert client.time.total < 7 * 600
    assert report.resource_count == sum(len(lines) for lines in by_type(truth).values())
    assert not [asked for asked in client.server.requests if asked.elsewhere and asked.bearer]


FINAL: dict[str, tuple[Faults, type[Exception], str]] = {
    "no Bulk Data": (Faults(no_bulk=True), ExternalError, "refused to start"),
    "a job that fails": (Faults(failing_jobs=ALWAYS), ExternalError, "the export failed"),
    "a job that fails in HTML": (
        Faults(failing_jobs=ALWAYS, html_errors=True),
        ExternalError,
        "the export failed",
    ),
    "a job that fails with 400": (
        Faults(failing_jobs=ALWAYS, failure_status=400),
        ExternalError,
        "the export failed",
    ),
    "a job that is lost": (Faults(lost_jobs=ALWAYS), ExternalError, "lost the export"),
    "counts too high": (Faults(wrong_count=1), ExternalError, "as many resources"),
    "counts too low": (
        Faults(wrong_count=-1, only=frozenset({"Patient"})),
        ExternalError,
        "as many resources",
    ),
    "a bad line for ever": (Faults(bad_line=ALWAYS), DataError, "no JSON object"),
    "a wrong type for ever": (Faults(wrong_type=ALWAYS), DataError, "another type"),
    "a dropped connection for ever": (Faults(drop_connection=ALWAYS), ExternalError, "connection"),
    "files gone for ever": (Faults(expired=ALWAYS), ExternalError, "refused to deliver"),
    "429 for ever": (Faults(rate_limit=ALWAYS), ExternalError, "refused to start"),
    "503 for ever": (
        Faults(unavailable=ALWAYS, phases=frozenset({Phase.STATUS})),
        ExternalError,
        "tell",
    ),
    "a hostile type": (Faults(hostile_type="../../escaped"), ExternalError, "no resource type"),
    "an absolute type": (Faults(hostile_type="/tmp/escaped"), ExternalError, "no resource type"),
    "a file of this machine": (Faults(hostile_url="file:///etc/hostname"), ExternalError, "no http"),
    "the cloud's metadata": (
        Faults(hostile_url="http://169.254.169.254/latest"),
        ExternalError,
        "inside this",
    ),
    "partial failure": (
        Faults(partial_failure=frozenset({"Condition"})),
        ExternalError,
        "could not export all",
    ),
}


@pytest.mark.parametrize("fault", FINAL)
def test_what_does_not_pass_is_a_clear_error(served: ServedHospital, tmp_path: Path, fault: str) -> None:
    faults, kind, message = FINAL[fault]
    with served(faults) as client:
        with pytest.raises(kind) as caught:
            client.export()
        assert message.replace("all", "") in str(caught.value)
        assert caught.value.__context__ is None
    assert names(tmp_path) == [client.out.name], "nothing outside"
    whole = set(names(client.out)) - {"job.journal", "errors", "deletions"}
    assert all(name.endswith((".ndjson", ".partial")) for name in whole)


def test_a_failed_job_ends_at_once_and_says_why(served: ServedHospital) -> None:
    with served(Faults(failing_jobs=1)) as client:
        with pytest.raises(ExternalError, match="the export failed"):
            client.export()
        assert client.time.total < 5, "a 500 with an OperationOutcome that is not transient is final"
        assert client.remarks == ["error: The export failed"]
        client.export()
        assert len(client.asked("$export")) == 2


def test_a_partial_failure_keeps_the_rest_and_shows_its_reasons(
    served: ServedHospital, truth: dict[str, bytes]
) -> None:
    with served(Faults(partial_failure=frozenset({"Condition"}))) as client:
        with pytest.raises(ExternalError, match="could not export everything") as caught:
            client.export()
        assert client.remarks == ["error: Export of Condition failed"]
        assert "Condition" not in str(caught.value)
        kept = {name: body for name, body in truth.items() if not name.startswith("Condition")}
        assert data_of(client.out) == kept
        report = client.export(allow_partial=True)
        assert report.remarks == ("error: Export of Condition failed",)
        assert "remarks" not in report.facts()
        assert "Condition" not in repr(report)
        assert len(client.asked("$export")) == 1


@pytest.mark.parametrize("settings", [{}, {"lists": "commas"}])
def test_servers_without_comma_lists(served: ServedHospital, settings: dict[str, str]) -> None:
    request = BulkRequest(types=("Patient", "Condition"), **settings)  # type: ignore[arg-type]
    with served(Faults(no_comma_lists=True)) as client:
        if settings:
            with pytest.raises(ExternalError, match="refused"):
                client.export(request)
        else:
            assert set(client.export(request).resources) == {"Patient", "Condition"}
            assert client.asked("$export")[-1].path.endswith("_type=Patient&_type=Condition")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_parameters_reach_the_server(
    served: ServedHospital, truth: dict[str, bytes], method: str
) -> None:
    """Each is asked for by GET and by POST, and restricts what comes."""
    lines = {name: [json.loads(line) for line in body] for name, body in by_type(truth).items()}
    patients = [patient["id"] for patient in lines["Patient"]]
    with served() as client:

        def export(**settings: object) -> dict[str, int]:
            request = BulkRequest(method=method, **settings)  # type: ignore[arg-type]
            return client.export(request).resources

        assert set(export(types=("Patient", "Observation"))) == {"Patient", "Observation"}
        stamps = sorted(o["meta"]["lastUpdated"] for o in lines["Observation"])
        middle = stamps[len(stamps) // 2]
        later = export(types=("Observation",), since=middle)["Observation"]
        earlier = export(types=("Observation",), until=middle)["Observation"]
        assert 0 < later < len(stamps)
        assert 0 < earlier < len(stamps)
        laboratory = export(
            types=("Observation",),
            type_filters=("Observation?category=laboratory", "Observation?status=none"),
        )
        assert 0 < laboratory["Observation"] < len(lines["Observation"])
        export(types=("Patient",), elements=("Patient.id", "gender"))
        (first, *_) = by_type(data_of(client.out))["Patient"]
        assert "birthDate" not in json.loads(first)
        assert export(level="group", group="cohort", types=("Patient",))["Patient"] < len(patients)
        assert export(level="patient", types=("Patient",)) == {"Patient": len(patients)}
        assert export(types=("Patient",), include_associated_data=("LatestProvenanceResources",))
        assert export(types=("Patient",), allow_partial_manifests=True) == {"Patient": len(patients)}
    assert {asked.method for asked in client.asked("$export")} == {method}


def test_patients_are_named_in_a_post(served: ServedHospital, truth: dict[str, bytes]) -> None:
    one = json.loads(by_type(truth)["Patient"][0])["id"]
    with served() as client:
        found = client.export(BulkRequest(level="patient", types=("Patient",), patients=(f"Patient/{one}",)))
        assert found.resources == {"Patient": 1}
        assert [asked.method for asked in client.asked("$export")] == ["POST"]
        assert one not in "".join(asked.path for asked in client.server.requests)
    assert one not in (client.out / "log.ndjson").read_text()


@pytest.mark.parametrize("lines_per_file", [0, 30])
def test_output_by_patient_is_sorted_by_type(
    served: ServedHospital, truth: dict[str, bytes], lines_per_file: int
) -> None:
    """``continuesInFile`` occurs when a patient's resources need several files."""
    with served(Faults(lines_per_file=lines_per_file)) as client:
        plain = client.export(BulkRequest(level="patient", types=("Patient", "Observation")))
        expected = by_type(data_of(client.out))
        report = client.export(
            BulkRequest(level="patient", types=("Patient", "Observation"), organize_output_by="Patient")
        )
        found = by_type(data_of(client.out))
    assert {name: sorted(lines) for name, lines in found.items()} == {
        name: sorted(lines) for name, lines in expected.items()
    }
    assert report.resources == plain.resources
    assert names(client.out) == sorted(str(file.name) for file in report.files)


def test_what_was_sorted_goes_also_after_a_crash(served: ServedHospital, tmp_path: Path) -> None:
    request = BulkRequest(level="patient", types=("Patient",), organize_output_by="Patient")
    with served() as client:
        first = client.export(request, job_file=tmp_path / "job")
        (client.out / "organized").mkdir()
        (client.out / "organized" / "Patient.000.ndjson").write_text("left by a crash")
        assert client.export(request, job_file=tmp_path / "job") == first
        assert names(client.out) == ["Patient.000.ndjson"]
        assert len(client.asked("$export")) == 1


def test_the_separators_of_unicode_split_no_line(served: ServedHospital, truth: dict[str, bytes]) -> None:
    with served(Faults(line_separators=True)) as client:
        report = client.export()
        assert "\u2028".encode() in data_of(client.out)["Patient.000.ndjson"]
    assert report.resource_count == sum(body.count(b"\n") for body in truth.values())


def test_tokens_of_five_seconds_are_renewed_before_they_expire(
    served: ServedHospital, truth: dict[str, bytes], credentials: Credentials, clients: dict[str, object]
) -> None:
    faults = Faults(lines_per_file=40, rate_limit=1, retry_after="3", token_seconds=5)
    with served(credentials=credentials, clients=clients, polls=15, faults=faults) as client:
        client.export(parallel=1)
        assert by_type(data_of(client.out)) == by_type(truth)
        assert client.time.total > 60
        assert len(client.asked("/auth/token")) > 10
        assert [asked.path for asked in client.server.requests if asked.status == 401] == []


def test_short_tokens_last_through_polls_and_long_parallel_downloads(
    data: Path, tmp_path: Path, truth: dict[str, bytes], credentials: Credentials, clients: dict[str, object]
) -> None:
    """In real time: every file takes longer than a token lives, and some begin later."""
    faults = Faults(token_seconds=2, drip=60_000, only=frozenset({"Observation"}), lines_per_file=400)
    with HospitalServer(data, clients, polls=3, faults=faults) as server:  # type: ignore[arg-type]
        export_bulk(
            server.base_url,
            tmp_path,
            request=BulkRequest(types=("Patient", "Observation", "Condition")),
            credentials=credentials,
            progress=NoProgress(),
            clock=SystemClock(),
            parallel=2,
        )
        asked = server.requests
    assert {
        name: by_type(data_of(tmp_path))[name] == lines
        for name, lines in by_type(truth).items()
        if name in ("Patient", "Observation", "Condition")
    } == dict.fromkeys(("Condition", "Observation", "Patient"), True)
    assert len([one for one in asked if one.path.endswith("/auth/token")]) >= 3
    assert not [one for one in asked if one.status == 401]


def test_a_bearer_goes_only_where_it_must(
    served: ServedHospital, credentials: Credentials, clients: dict[str, object]
) -> None:
    with served(Faults(redirect=Redirect.PORT), credentials=credentials, clients=clients) as client:
        client.export()
        elsewhere = [asked for asked in client.server.requests if asked.elsewhere]
        assert elsewhere
        assert not [asked for asked in elsewhere if asked.bearer]
    with served(Faults(files_without_token=True), credentials=credentials, clients=clients) as client:
        client.export()
        assert not [asked for asked in client.asked("/bulk-files/") if asked.bearer]


def test_an_allowed_origin_gets_the_token(
    served: ServedHospital, credentials: Credentials, clients: dict[str, object]
) -> None:
    """The hospital's second listener refuses tokens, so a file that arrives there with one is refused."""
    with served(Faults(redirect=Redirect.PORT), credentials=credentials, clients=clients) as client:
        with pytest.raises(ExternalError) as caught:
            client.export(token_origins=(client.server.elsewhere_url,))
        assert caught.value.fields["status"] == 400
        assert [asked for asked in client.server.requests if asked.elsewhere and asked.bearer]


@pytest.mark.parametrize(
    "origin", ["https://h/path", "http://files.example.org", "files.example.org", "https://a@h"]
)
def test_an_origin_that_is_none(served: ServedHospital, origin: str) -> None:
    with served() as client, pytest.raises(UsageError):
        client.export(token_origins=(origin,))


def test_a_secret_is_used_when_asked_for(served: ServedHospital, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret: with + and %\n")
    file.chmod(0o600)
    credentials = load_secret("client with space", file)
    with served(
        credentials=credentials, client_secrets={"client with space": "s3cret: with + and %"}
    ) as client:
        assert client.export(BulkRequest(types=("Patient",))).resources == {"Patient": 4}
    assert "s3cret" not in repr(credentials)


def test_a_server_that_takes_no_secret(
    served: ServedHospital, clients: dict[str, object], tmp_path: Path
) -> None:
    with (
        served(credentials=SecretCredentials(CLIENT_ID, "word"), clients=clients) as client,
        pytest.raises(UsageError, match="no client secret"),
    ):
        client.export()


def test_an_unknown_group(served: ServedHospital) -> None:
    request = BulkRequest(level="group", group="nobody")
    with served() as client, pytest.raises(ExternalError) as refused:
        client.export(request)
    assert refused.value.fields["status"] == 404
    with served(Faults(empty_groups=True)) as client, pytest.raises(DataError, match="exported nothing"):
        client.export(request)


def test_a_parameter_that_the_server_does_not_know(served: ServedHospital) -> None:
    with served(Faults(unsupported=frozenset({"_since"}))) as client:
        with pytest.raises(ExternalError, match="refused to start"):
            client.export(BulkRequest(since="2025-01-01"))
        assert client.remarks == ["error: The request has a parameter that this server does not know"]


def test_deletions_are_listed_since_the_last_export(served: ServedHospital) -> None:
    with served() as client:
        since = client.server.transaction_time
        client.export(BulkRequest(types=("Patient",)))
        patient = json.loads(data_of(client.out)["Patient.000.ndjson"].splitlines()[0])["id"]
        client.server.delete("Patient", patient)
        report = client.export(BulkRequest(since=since))
        assert report.deletion_files == 1
        bundle = json.loads((client.out / "deletions" / "Bundle.000.ndjson").read_text())
        assert bundle["entry"][0]["request"] == {"method": "DELETE", "url": f"Patient/{patient}"}
