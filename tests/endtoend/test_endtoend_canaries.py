"""No patient value outside ``phi/``: canaries in every identifying place, a run, a search of everything."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from endtoend.commands import PASSWORD, Result, run_here, run_medcairn
from medcairn.audit import EventType, read_events
from medcairn.core.progress import NoProgress
from medcairn.synthetic import write_ndjson

CANARY = "Zqcanary"
PHONE, SSN = "5553977531", "987653977"
NEEDLES = [
    CANARY.lower().encode(),
    PHONE.encode(),
    b"555-397-7531",
    SSN.encode(),
    b"987-65-3977",
    PASSWORD.encode(),
]

Resource = dict[str, object]


def planted(resource: Resource) -> Resource:
    """``resource`` with a canary wherever its type can hold an identifier."""
    told = {
        "text": {"status": "generated", "div": f"<div>{CANARY} {PHONE}</div>"},
        "extension": [
            *(resource.get("extension") or []),  # type: ignore[misc]
            {"url": "http://example.org/note", "valueString": f"{CANARY} lives here"},
        ],
    }
    match resource["resourceType"]:
        case "Patient":
            told |= {
                "name": [{"family": f"{CANARY}family", "given": [f"{CANARY}given"], "text": f"Ms {CANARY}"}],
                "telecom": [
                    {"system": "phone", "value": "555-397-7531"},
                    {"system": "email", "value": f"{CANARY}@x.org"},
                ],
                "address": [
                    {
                        "line": [f"7 {CANARY} Road"],
                        "city": f"{CANARY}ville",
                        "postalCode": "02139",
                        "state": "MA",
                    }
                ],
                "identifier": [{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "987-65-3977"}],
                "contact": [{"name": {"text": CANARY}, "telecom": [{"system": "phone", "value": PHONE}]}],
            }
        case "Observation" | "Condition" | "Procedure" | "MedicationRequest":
            told |= {"note": [{"text": f"seen by Dr {CANARY}, {PHONE}"}]}
            for key in ("code", "medicationCodeableConcept"):
                if isinstance(coded := resource.get(key), dict):
                    codings = [{**coding, "display": CANARY} for coding in coded.get("coding", [])]
                    told[key] = {**coded, "coding": codings, "text": f"{CANARY} text"}
        case "Encounter":
            told |= {"identifier": [{"value": f"{CANARY}-visit"}], "serviceType": {"text": CANARY}}
        case "DocumentReference":
            note = base64.b64encode(f"Patient {CANARY}, SSN 987-65-3977".encode()).decode()
            told |= {
                "content": [{"attachment": {"contentType": "text/plain", "data": note, "title": CANARY}}]
            }
        case "Organization" | "Practitioner":
            told |= {
                "identifier": [{"value": f"{CANARY}npi"}],
                "telecom": [{"system": "phone", "value": PHONE}],
            }
    return {**resource, **told}


FORMS = ("package", "fhir", "openlineage")
"""Of the audit trail, for others."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Result]]:
    """A study of planted patients that went as far as it can, with everything its commands said."""
    home = tmp_path_factory.mktemp("canaries")
    (home / "generated").mkdir()
    write_ndjson(home / "generated", patients=200, seed=11, progress=NoProgress())
    (home / "source").mkdir()
    for path in sorted((home / "generated").glob("*.ndjson")):
        lines = [json.dumps(planted(json.loads(line))) for line in path.read_bytes().splitlines()]
        lines.append(f'{{"resourceType": "{CANARY}", "id": "{CANARY}"')  # and a broken line
        lines.append(
            json.dumps({"resourceType": path.name.split(".")[0], "id": f"{CANARY}id", "status": f"{CANARY}"})
        )
        (home / "source" / path.name).write_text("\n".join(lines) + "\n")
    folder = home / "study"
    password = home / "password"
    password.write_text(PASSWORD)
    said = [
        run_medcairn("init", folder, "--from", home / "source", "--as-of", "2025-06-30", "--name", "canaries")
    ]
    settings = folder / "study.yaml"
    text = settings.read_text().replace("\ndeid:\n", "\ndeid:\n  pseudonyms: random\n")
    settings.write_text(text + "\ntracking: {stages: true}\n")
    said.append(run_medcairn("run", "--study", folder, "--until", "validate"))
    said.append(run_medcairn("deid", "risk", folder / "lake" / "deid", folder / "reports" / "risk"))
    said.append(run_medcairn("deid", "scan", folder / "phi" / "export", folder / "lake" / "deid", "--json"))
    scrub = ("deid", "scrub", folder / "phi" / "export", folder / "phi" / "notes")
    said.append(run_medcairn(*scrub, "--key-file", folder / "keys" / "pseudonym.key"))
    reidentify = ("deid", "reidentify", "0" * 32, "--reason", "audit", "--study", folder)
    said.append(run_medcairn(*reidentify))
    said.append(run_medcairn("run", "--study", folder, check=False))
    person = ("--printed-name", "Ada Okafor", "--role", "clinical_reviewer", "--password-file", password)
    said.append(run_medcairn("users", "add", "ada", *person, "--study", folder))
    said.append(run_medcairn("approve", "--as", "ada", "--password-file", password, "--study", folder))
    run = next(s.event.run_id for s in read_events(folder / "ledger.db", EventType.RUN_STARTED))
    assert run is not None
    for command in (
        *(("audit", "export", folder / "reports" / form, "--form", form) for form in FORMS),
        ("audit", "trace", run, "--picture", folder / "reports" / "trail.svg"),
        ("audit", "record", run),
        ("audit", "verify", "--receipts", folder / "receipts"),
        ("report", "fda-audit", "canaries.readmission_30d", "1"),
        ("approve", "--what", "protocol", "--show"),
        ("model", "list"),
        ("model", "history", "--json"),
        ("users", "show", "ada"),
        ("status",),
        ("plan",),
        ("audit", "show", "--last", "0"),
        ("audit", "verify"),
        ("audit", "show", "--json"),
    ):
        said.append(run_here(*command, "--study", folder))
    return folder, said


def readings(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and what they say once unpacked."""
    data = path.read_bytes()
    yield path.name.encode()
    yield data
    if path.suffix == ".parquet":
        yield json.dumps(pq.read_table(path).to_pylist(), default=str).encode()
    elif path.suffix == ".gz":
        yield gzip.decompress(data)
    elif path.suffix == ".pdf":
        if shutil.which("pdftotext") is None:
            pytest.skip("pdftotext (Debian: poppler-utils) is needed to read the PDF report")
        yield subprocess.run(["pdftotext", str(path), "-"], capture_output=True, check=True).stdout
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif data.startswith(b"SQLite format 3"):
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)  # leaves the -wal file alone
        yield "\n".join(db.iterdump()).encode()
        db.close()


def found(texts: Iterator[bytes]) -> list[bytes]:
    return [needle for text in texts for needle in NEEDLES if needle in text.lower()]


def test_the_canaries_are_in_the_phi_zone(study: tuple[Path, list[Result]]) -> None:
    folder, _ = study
    texts = [path.read_bytes().lower() for path in (folder / "phi" / "export").glob("*.ndjson")]
    others = (SSN.encode(), PASSWORD.encode())  # there only as 987-65-3977, and nowhere at all
    planted = [needle for needle in NEEDLES if needle not in others]
    assert all(any(needle in text for text in texts) for needle in planted)


def test_no_canary_is_anywhere_else(study: tuple[Path, list[Result]]) -> None:
    folder, _ = study
    files = [p for p in folder.rglob("*") if p.is_file() and folder / "phi" not in p.parents]
    assert len(files) > 40
    assert {str(p.relative_to(folder)): hits for p in files if (hits := found(readings(p)))} == {}


def test_the_crosswalk_alone_holds_the_ids_behind_the_pseudonyms(study: tuple[Path, list[Result]]) -> None:
    folder, _ = study
    crosswalk = folder / "phi" / "crosswalk.db"
    assert crosswalk.stat().st_mode & 0o777 == 0o600
    assert (folder / "reports" / "risk" / "risk.html").is_file()
    assert (folder / "phi" / "notes" / "notes.scrubbed.ndjson").is_file()


def test_no_canary_was_said(study: tuple[Path, list[Result]]) -> None:
    _, said = study
    assert found(iter([(result.out + result.err).encode() for result in said])) == []
    assert any("quarantined" in result.out for result in said)
