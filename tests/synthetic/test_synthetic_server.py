"""The FHIR server over real HTTP: discovery, tokens, exports, files, and what it refuses."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from medcairn.core.canonical import JSON
from medcairn.core.errors import DataError, ExternalError, UsageError
from medcairn.synthetic.server import HospitalServer, create_app

FHIR = {"Accept": "application/fhir+json", "Prefer": "respond-async"}
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CLIENT = "trial"


@dataclass
class MovingClock:
    """A clock that a test moves on."""

    ahead: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True)
class Keys:
    """An EC and an RSA client key, a key that nobody registered, and the public set."""

    elliptic: ec.EllipticCurvePrivateKey
    rsa: rsa.RSAPrivateKey
    stranger: ec.EllipticCurvePrivateKey

    def jwks(self) -> dict[str, JSON]:
        public: list[dict[str, JSON]] = [
            {**ECAlgorithm.to_jwk(self.elliptic.public_key(), as_dict=True), "kid": "ec"},
            {**RSAAlgorithm.to_jwk(self.rsa.public_key(), as_dict=True), "kid": "rsa"},
        ]
        return {"keys": public}


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys(
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP384R1()),
    )


@pytest.fixture(scope="module")
def clock() -> MovingClock:
    return MovingClock()


@pytest.fixture(scope="module")
def server(hospital_dir: Path, keys: Keys, clock: MovingClock) -> Iterator[HospitalServer]:
    clients = {CLIENT: keys.jwks(), "other": keys.jwks()}
    with HospitalServer(hospital_dir, clients, clock=clock, lines_per_file=500) as running:
        yield running


@pytest.fixture(scope="module")
def http(server: HospitalServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, timeout=20) as client:
        yield client


class Assertions:
    """Makes client assertions, right by default and wrong where told."""

    def __init__(self, keys: Keys, server: HospitalServer) -> None:
        self.keys = keys
        self.audience = f"{server.base_url}/auth/token"
        self.made = 0

    def make(self, *, algorithm: str = "ES384", client: str = CLIENT, **changed: JSON) -> str:
        self.made += 1
        claims: dict[str, JSON] = {
            "iss": client,
            "sub": client,
            "aud": self.audience,
            "exp": int(time.time()) + 240,
            "jti": f"jti-{self.made}",
        }
        key = self.keys.elliptic if algorithm == "ES384" else self.keys.rsa
        kid = "ec" if algorithm == "ES384" else "rsa"
        return jwt.encode(claims | changed, key, algorithm, headers={"kid": kid})


@pytest.fixture(scope="module")
def assertions(keys: Keys, server: HospitalServer) -> Assertions:
    return Assertions(keys, server)


def _token_request(http: httpx.Client, assertion: str, scope: str = "system/*.read") -> httpx.Response:
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION,
        "client_assertion": assertion,
        "scope": scope,
    }
    return http.post("/auth/token", data=form)


def _bearer(http: httpx.Client, assertion: str, scope: str = "system/*.read") -> dict[str, str]:
    return {"Authorization": f"Bearer {_token_request(http, assertion, scope).json()['access_token']}"}


@pytest.fixture
def bearer(http: httpx.Client, assertions: Assertions) -> dict[str, str]:
    return _bearer(http, assertions.make())


def _export(http: httpx.Client, bearer: dict[str, str], path: str) -> tuple[str, dict[str, JSON]]:
    """Kick off, poll to the end, and return the job's URL and its manifest."""
    begun = http.get(path, headers=FHIR | bearer)
    assert begun.status_code == 202, begun.text
    where = begun.headers["Content-Location"]
    for _ in range(200):
        answer = http.get(where, headers=bearer)
        if answer.status_code == 200:
            manifest: dict[str, JSON] = answer.json()
            return where, manifest
        assert answer.status_code == 202
        assert answer.headers["Retry-After"] == "1"
        assert "files" in answer.headers["X-Progress"]
        time.sleep(0.02)
    raise AssertionError("the export did not end")


def _lines(http: httpx.Client, bearer: dict[str, str], manifest: dict[str, JSON]) -> dict[str, list[bytes]]:
    """The lines of all files by type; each file holds as many as the manifest says."""
    found: dict[str, list[bytes]] = {}
    outputs = manifest["output"]
    assert isinstance(outputs, list)
    for item in outputs:
        assert isinstance(item, dict)
        answer = http.get(str(item["url"]), headers=bearer)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("application/fhir+ndjson")
        lines = answer.content.splitlines(keepends=True)
        assert len(lines) == item["count"] > 0
        found.setdefault(str(item["type"]), []).extend(lines)
    return found


def _stored(folder: Path) -> dict[str, list[bytes]]:
    return {path.name.split(".")[0]: path.read_bytes().splitlines(True) for path in folder.glob("*.ndjson")}


def _issue(answer: httpx.Response) -> str:
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    assert answer.headers["Content-Type"].startswith("application/fhir+json")
    return str(body["issue"][0]["code"])


def test_discovery_needs_no_token(http: httpx.Client, server: HospitalServer) -> None:
    capability = http.get("/metadata").json()
    assert capability["resourceType"] == "CapabilityStatement"
    assert capability["fhirVersion"] == "4.0.1"
    assert capability["rest"][0]["operation"][0]["name"] == "export"
    smart = http.get("/.well-known/smart-configuration").json()
    assert smart["token_endpoint"] == f"{server.base_url}/auth/token"
    assert set(smart["token_endpoint_auth_signing_alg_values_supported"]) == {"RS384", "ES384"}


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_a_registered_key_gets_a_short_token(
    http: httpx.Client, assertions: Assertions, algorithm: str
) -> None:
    answer = _token_request(http, assertions.make(algorithm=algorithm), "system/*.rs")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert body["token_type"] == "bearer"
    assert body["expires_in"] <= 300
    assert body["scope"] == "system/*.rs"


def test_wrong_assertions_are_refused(http: httpx.Client, assertions: Assertions, keys: Keys) -> None:
    now = int(time.time())
    used = assertions.make()
    assert _token_request(http, used).status_code == 200
    unsigned = jwt.encode({"iss": CLIENT, "sub": CLIENT}, "", "none", headers={"kid": "ec"})
    stranger = jwt.encode(
        {"iss": CLIENT, "sub": CLIENT, "aud": assertions.audience, "exp": now + 60, "jti": "s"},
        keys.stranger,
        "ES384",
        headers={"kid": "ec"},
    )
    wrong = {
        "replayed": used,
        "a stranger's key": stranger,
        "unsigned": unsigned,
        "no token at all": "abc",
        "expired": assertions.make(exp=now - 60),
        "too long": assertions.make(exp=now + 3600),
        "no expiry": assertions.make(exp=None),
        "another audience": assertions.make(aud="https://elsewhere.example/token"),
        "unknown client": assertions.make(client="nobody"),
        "sub is not iss": assertions.make(sub="other"),
        "no jti": assertions.make(jti=None),
    }
    for what, assertion in wrong.items():
        answer = _token_request(http, assertion)
        assert answer.status_code == 401, what
        assert answer.json()["error"] == "invalid_client", what


def test_other_token_requests_are_refused(http: httpx.Client, assertions: Assertions) -> None:
    assert _token_request(http, assertions.make(), "user/*.read").json()["error"] == "invalid_scope"
    plain = http.post("/auth/token", data={"grant_type": "password", "username": "a"})
    assert plain.json()["error"] == "unsupported_grant_type"
    assert http.post("/auth/token", content=b"a" * 100_000).status_code == 413


def test_nothing_goes_without_a_token(
    http: httpx.Client, assertions: Assertions, clock: MovingClock, bearer: dict[str, str]
) -> None:
    for headers in ({}, {"Authorization": "Bearer made-up"}, {"Authorization": "Basic Zm9v"}):
        answer = http.get("/$export", headers=FHIR | headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert _issue(answer) == "login"
    where, manifest = _export(http, bearer, "/$export?_type=Patient")
    outputs = manifest["output"]
    assert isinstance(outputs, list)
    assert isinstance(outputs[0], dict)
    file_url = str(outputs[0]["url"])
    assert http.get(where).status_code == 401
    assert http.get(file_url).status_code == 401
    assert http.delete(where).status_code == 401
    clock.ahead = timedelta(seconds=301)
    try:
        assert http.get(file_url, headers=bearer).status_code == 401
    finally:
        clock.ahead = timedelta()
    other = _bearer(http, assertions.make(client="other"))
    assert http.get(file_url, headers=other).status_code == 404
    assert http.get(where, headers=other).status_code == 404
    assert http.get(file_url, headers=bearer).status_code == 200


def test_system_export_hands_out_every_line(
    http: httpx.Client, bearer: dict[str, str], hospital_dir: Path, server: HospitalServer
) -> None:
    _, manifest = _export(http, bearer, "/$export")
    assert manifest["transactionTime"] == "2025-06-30T00:00:00Z"
    assert manifest["request"] == f"{server.base_url}/$export"
    assert manifest["requiresAccessToken"] is True
    assert manifest["error"] == []
    assert _lines(http, bearer, manifest) == _stored(hospital_dir)
    outputs = manifest["output"]
    assert isinstance(outputs, list)
    observations = [item for item in outputs if isinstance(item, dict) and item["type"] == "Observation"]
    assert len(observations) > 5
    assert all(item["count"] == 500 for item in observations[:-1])


def test_types_narrow_an_export(http: httpx.Client, bearer: dict[str, str], hospital_dir: Path) -> None:
    _, manifest = _export(http, bearer, "/$export?_type=Condition,Encounter&_type=Device")
    stored = _stored(hospital_dir)
    assert _lines(http, bearer, manifest) == {name: stored[name] for name in ("Condition", "Encounter")}


def test_since_leaves_out_what_did_not_change(
    http: httpx.Client, bearer: dict[str, str], hospital_dir: Path
) -> None:
    since = datetime(2024, 6, 1, 5, tzinfo=UTC)
    _, manifest = _export(http, bearer, "/$export?_since=2024-06-01T00:00:00-05:00&_outputFormat=ndjson")
    wanted = {
        name: kept
        for name, lines in _stored(hospital_dir).items()
        if (kept := [line for line in lines if _changed(line) > since])
    }
    assert _lines(http, bearer, manifest) == wanted
    assert "Organization" not in wanted
    assert 0 < len(wanted["Observation"]) < len(_stored(hospital_dir)["Observation"])


def _changed(line: bytes) -> datetime:
    return datetime.fromisoformat(json.loads(line)["meta"]["lastUpdated"])


def _whose(name: str, line: bytes) -> str:
    item = json.loads(line)
    link = item.get("subject") or item.get("patient") or {"reference": ""}
    return str(item["id"] if name == "Patient" else link["reference"].removeprefix("Patient/"))


@pytest.mark.parametrize(("path", "every"), [("/Patient", 1), ("/Group/everyone", 1), ("/Group/cohort", 2)])
def test_patient_and_group_exports_hold_their_patients(
    http: httpx.Client, bearer: dict[str, str], hospital_dir: Path, path: str, every: int
) -> None:
    _, manifest = _export(http, bearer, f"{path}/$export")
    stored = _stored(hospital_dir)
    members = {json.loads(line)["id"] for line in stored["Patient"][::every]}
    shared = {"Organization", "Practitioner"}
    wanted = {
        name: [line for line in lines if name in shared or _whose(name, line) in members]
        for name, lines in stored.items()
    }
    assert _lines(http, bearer, manifest) == wanted


def test_an_export_waits_then_ends_and_can_be_deleted(http: httpx.Client, bearer: dict[str, str]) -> None:
    begun = http.get("/Patient/$export?_type=Patient", headers=FHIR | bearer)
    where = begun.headers["Content-Location"]
    answers = []
    for _ in range(100):
        answers.append(http.get(where, headers=bearer).status_code)
        if answers[-1] == 200:
            break
        time.sleep(0.02)
    assert answers[:2] == [202, 202]
    manifest = http.get(where, headers=bearer).json()
    assert http.get(where, headers=bearer).json() == manifest
    assert http.delete(where, headers=bearer).status_code == 202
    for gone in (where, manifest["output"][0]["url"]):
        answer = http.get(gone, headers=bearer)
        assert answer.status_code == 404
        assert _issue(answer) == "not-found"
    assert http.delete(where, headers=bearer).status_code == 404


def test_kick_offs_that_are_wrong_get_an_outcome(http: httpx.Client, bearer: dict[str, str]) -> None:
    plain = {"Accept": "application/fhir+json"}
    assert http.get("/$export", headers=plain | bearer).status_code == 400
    html = http.get("/$export", headers=FHIR | bearer | {"Accept": "text/html"})
    assert html.status_code == 406
    for query in ("_outputFormat=text/csv", "_since=yesterday", "_since=2024", "_type=../etc", "_what=1"):
        answer = http.get(f"/$export?{query}", headers=FHIR | bearer)
        assert answer.status_code == 400, query
        assert _issue(answer) in {"not-supported", "value"}
    lenient = FHIR | bearer | {"Prefer": "respond-async, handling=lenient"}
    assert http.get("/$export?_what=1", headers=lenient).status_code == 202
    unknown = http.get("/Group/nobody/$export", headers=FHIR | bearer)
    assert unknown.status_code == 404
    assert _issue(unknown) == "not-found"
    assert _issue(http.get("/Nothing", headers=bearer)) == "not-found"
    assert http.post("/metadata").status_code == 405


def test_a_narrow_scope_narrows_the_export(http: httpx.Client, assertions: Assertions) -> None:
    bearer = _bearer(http, assertions.make(), "system/Patient.rs system/Condition.read")
    _, manifest = _export(http, bearer, "/$export")
    assert set(_lines(http, bearer, manifest)) == {"Patient", "Condition"}
    refused = http.get("/$export?_type=Observation", headers=FHIR | bearer)
    assert refused.status_code == 403


def test_files_are_compressed_for_those_who_ask(http: httpx.Client, bearer: dict[str, str]) -> None:
    _, manifest = _export(http, bearer, "/$export?_type=Patient")
    outputs = manifest["output"]
    assert isinstance(outputs, list)
    assert isinstance(outputs[0], dict)
    url = str(outputs[0]["url"])
    plain = http.get(url, headers=bearer | {"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert int(plain.headers["Content-Length"]) == len(plain.content)
    with http.stream("GET", url, headers=bearer | {"Accept-Encoding": "gzip"}) as packed:
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(b"".join(packed.iter_raw())) == plain.content


def test_no_path_leads_out_of_the_folder(http: httpx.Client, bearer: dict[str, str]) -> None:
    where, _ = _export(http, bearer, "/$export?_type=Patient")
    job = where.rsplit("/", 1)[-1]
    for name in (
        "hospital.json",
        "..%2Fhospital.json",
        "../../hospital.json",
        "%2e%2e/%2e%2e/etc/passwd",
        "x",
    ):
        answer = http.get(f"/bulk-files/{job}/{name}", headers=bearer)
        assert answer.status_code == 404, name


def test_an_open_server_asks_nobody(hospital_dir: Path) -> None:
    with (
        HospitalServer(hospital_dir, open_access=True) as server,
        httpx.Client(base_url=server.base_url, timeout=20) as http,
    ):
        _, manifest = _export(http, {}, "/$export?_type=Patient")
        assert manifest["requiresAccessToken"] is False
        assert len(_lines(http, {}, manifest)["Patient"]) == 40


def test_a_folder_from_elsewhere_is_served_as_it_is(tmp_path: Path) -> None:
    patient = b'{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2020-02-03T04:05:06Z"}}\n'
    (tmp_path / "Patient.ndjson").write_bytes(patient)
    (tmp_path / "Device.000.ndjson").write_bytes(b'{"resourceType":"Device","id":"of nobody"}\n')
    (tmp_path / "Claim.000.ndjson").write_bytes(
        b'{"resourceType":"Claim","id":"1","patient":{"reference":"urn:uuid:a"}}\n\nnot json\n'
        b'{"resourceType":"Claim","id":"2","patient":{"reference":"Patient/b"}}'
    )
    with (
        HospitalServer(tmp_path, open_access=True) as server,
        httpx.Client(base_url=server.base_url, timeout=20) as http,
    ):
        _, manifest = _export(http, {}, "/Group/everyone/$export")
        lines = _lines(http, {}, manifest)
        assert manifest["transactionTime"] == "2020-02-03T04:05:06.000000Z"
        assert lines["Patient"] == [patient]
        assert "Device" not in lines
        assert [json.loads(line)["id"] for line in lines["Claim"]] == ["1"]
        _, changed = _export(http, {}, "/$export?_since=2020-01-01T00:00:00Z&_type=Claim,Device")
        assert {name: len(kept) for name, kept in _lines(http, {}, changed).items()} == {
            "Claim": 2,
            "Device": 1,
        }
        errors = manifest["error"]
        assert isinstance(errors, list)
        assert isinstance(errors[0], dict)
        assert http.get(str(errors[0]["url"])).json()["resourceType"] == "OperationOutcome"


def test_an_export_that_fails_says_so(tmp_path: Path) -> None:
    stored = tmp_path / "Patient.000.ndjson"
    stored.write_bytes(b'{"resourceType":"Patient","id":"a"}\n')
    with (
        HospitalServer(tmp_path, open_access=True) as server,
        httpx.Client(base_url=server.base_url, timeout=20) as http,
    ):
        stored.unlink()
        where = http.get("/$export", headers=FHIR).headers["Content-Location"]
        answers = [http.get(where) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 500]
        assert _issue(answers[-1]) == "exception"


def test_a_taken_port_is_an_external_error(hospital_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ExternalError) as caught,
            HospitalServer(hospital_dir, open_access=True, port=port),
        ):
            pass
    assert caught.value.exit_code == 6
    assert "--port" in caught.value.hint


def test_a_server_that_cannot_work_is_not_made(tmp_path: Path, hospital_dir: Path) -> None:
    with pytest.raises(UsageError, match="no client"):
        create_app(hospital_dir)
    with pytest.raises(UsageError, match="no RSA or EC"):
        create_app(hospital_dir, clients={CLIENT: {"keys": []}})
    with pytest.raises(UsageError, match="no such folder"):
        create_app(tmp_path / "absent", open_access=True)
    with pytest.raises(UsageError, match="holds no"):
        create_app(tmp_path, open_access=True)
    (tmp_path / "Patient.000.ndjson").write_bytes(b"{}\n")
    (tmp_path / "hospital.json").write_bytes(b"{")
    with pytest.raises(DataError, match=r"hospital\.json"):
        create_app(tmp_path, open_access=True)
