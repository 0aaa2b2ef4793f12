"""Scrubbing the notes of a folder: where text stands, whose it is, how much is found, how it is labelled."""

from __future__ import annotations

import base64
import json
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medcairn.core.errors import DataError, UsageError
from medcairn.core.identifiers import IdentifierClass
from medcairn.deid.keys import Pseudonyms
from medcairn.deid.scrub import (
    SCRUB_REPORT,
    SCRUBBED_NOTES,
    NoteKind,
    Passed,
    Scrubber,
    ScrubReport,
    SubjectIdentifiers,
    scrub_notes,
    subject_identifiers,
)
from medcairn.deid.scrub.recall import RecallTally
from medcairn.deid.scrub.subject import words
from medcairn.synthetic.hospital import write_ndjson

from .clinic import KEY, Clinic, patient


def encoded(text: str, charset: str = "utf-8") -> str:
    """A text as an attachment's data."""
    return base64.b64encode(text.encode(charset)).decode()


def human(family: str, given: str) -> dict[str, Any]:
    """A HumanName."""
    return {"family": family, "given": [given]}


def phone(number: str) -> dict[str, str]:
    """A ContactPoint."""
    return {"system": "phone", "value": number}


def document(source_id: str, text: str, subject: str | None = "p1", **attachment: Any) -> dict[str, Any]:
    """A note as DocumentReference."""
    found = {"contentType": "text/plain", "data": encoded(text)} | attachment
    resource: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "id": source_id,
        "content": [{"attachment": {key: value for key, value in found.items() if value is not None}}],
    }
    return resource | ({"subject": {"reference": f"Patient/{subject}"}} if subject else {})


JANE = patient("p1", name=[{"family": "Roekampf", "given": ["Janette"]}], birthDate="1960-05-17")
PSEUDONYMS = Pseudonyms(KEY)


class Run:
    """A scrub of a clinic."""

    def __init__(self, clinic: Clinic, out: Path, **more: Any) -> None:
        self.out = out
        self.report: ScrubReport = scrub_notes(clinic.source, out, pseudonyms=PSEUDONYMS, **more)

    def notes(self) -> list[Any]:
        """The lines of the side file."""
        return [json.loads(line) for line in (self.out / SCRUBBED_NOTES).read_text().splitlines()]


def test_the_side_file_holds_pseudonyms_and_says_what_it_is_not(clinic: Clinic, tmp_path: Path) -> None:
    clinic.add(JANE, document("d1", "Mrs. Roekampf has a cough."))
    run = Run(clinic, tmp_path / "phi")
    assert run.notes() == [
        {
            "document": f"DocumentReference/{PSEUDONYMS.of('DocumentReference', 'd1')}",
            "element": "content[0].attachment.data",
            "safe_harbor": False,
            "subject": f"Patient/{PSEUDONYMS.of('Patient', 'p1')}",
            "text": "Mrs. [NAME] has a cough.",
        }
    ]
    facts = json.loads((run.out / SCRUB_REPORT).read_text())
    assert facts == run.report.facts()
    assert facts["safe_harbor"] is False
    assert "not de-identified by Safe Harbor" in facts["statement"]
    assert {path.name for path in run.out.iterdir()} == {SCRUBBED_NOTES, SCRUB_REPORT}
    assert stat.S_IMODE((run.out / SCRUBBED_NOTES).stat().st_mode) == 0o600
    with pytest.raises(UsageError):
        ScrubReport(0, 0, {}, {}, {}, {}, safe_harbor=True)


def test_texts_stand_in_attachments_annotations_and_conclusions(clinic: Clinic, tmp_path: Path) -> None:
    subject = {"reference": "https://ehr.example/fhir/Patient/p1/_history/2"}
    clinic.add(
        JANE,
        document(
            "d1",
            "Janette é",
            contentType="text/plain; charset=ISO-8859-1",
            data=encoded("Janette é", "latin-1"),
        ),
        {"resourceType": "Observation", "id": "o", "subject": subject, "note": [{"text": "ask Janette"}, {}]},
        {
            "resourceType": "DiagnosticReport",
            "id": "r",
            "subject": subject,
            "conclusion": "Roekampf is well",
            "presentedForm": [{"contentType": "text/plain", "data": encoded("Dear Janette")}],
        },
        {
            "resourceType": "AllergyIntolerance",
            "id": "a",
            "patient": subject,
            "reaction": [{"note": [{"text": "no"}]}],
        },
    )
    run = Run(clinic, tmp_path / "phi")
    assert {(note["document"].split("/")[0], note["element"], note["text"]) for note in run.notes()} == {
        ("DocumentReference", "content[0].attachment.data", "[NAME] é"),
        ("Observation", "note[0].text", "ask [NAME]"),
        ("DiagnosticReport", "conclusion", "[NAME] is well"),
        ("DiagnosticReport", "presentedForm[0].data", "Dear [NAME]"),
        ("AllergyIntolerance", "reaction[0].note[0].text", "no"),
    }
    some = Run(clinic, tmp_path / "some", kinds=frozenset({NoteKind.CONCLUSION}))
    assert [note["element"] for note in some.notes()] == ["conclusion"]


def test_what_is_passed_over_is_counted(clinic: Clinic, tmp_path: Path) -> None:
    clinic.add(
        JANE,
        document("d1", "nobody's", None),
        document("d2", "a stranger's", "p2"),
        document("d3", "a picture", contentType="image/png"),
        document("d4", "elsewhere", data=None),
        document("d5", "", data="%%%"),
        document("d6", "", contentType="text/plain; charset=utf-16", data=encoded("x")),
        document("", "no id"),
    ).add_line("DocumentReference", '{"resourceType":"DocumentReference","contentType": broken')
    run = Run(clinic, tmp_path / "phi")
    assert run.notes() == []
    assert run.report.passed_over == {
        Passed.NO_SUBJECT: 1,
        Passed.SUBJECT_UNKNOWN: 1,
        Passed.OTHER_CONTENT_TYPE: 1,
        Passed.NO_DATA_IN_PLACE: 1,
        Passed.NOT_READABLE: 2,
        Passed.NO_ID: 1,
    }


def test_relatives_visits_and_clinicians_identify_too(clinic: Clinic, tmp_path: Path) -> None:
    reference = {"reference": "Patient/p1"}
    clinic.add(
        {
            **JANE,
            "name": [{"text": "Roekampf, Janette"}, {**human("Ulbricht", "Jani"), "use": "maiden"}],
            "identifier": [{"value": "77-881-X2"}],
            "contact": [{"name": human("Zabriskie", "Otto"), "telecom": [phone("9785550177")]}],
            "extension": [{"url": "http://x/patient-mothersMaidenName", "valueString": "Szymanski"}],
            "managingOrganization": {"display": "Quarry Hill Clinic"},
        },
        {"resourceType": "RelatedPerson", "id": "r", "patient": reference, "name": [human("Oxley", "Tom")]},
        {"resourceType": "Coverage", "id": "c", "beneficiary": reference, "subscriberId": "SUB-4451-9"},
        {
            "resourceType": "Encounter",
            "id": "e",
            "subject": reference,
            "identifier": [{"value": "V-556677"}],
            "participant": [{"individual": {"reference": "Practitioner/d", "display": "Dr. Ann Tamsin, MD"}}],
        },
        {"resourceType": "Practitioner", "id": "d", "name": [human("Tamsin", "Anneke")]},
        {"resourceType": "Practitioner", "id": "x", "name": [human("Wimmer", "Uwe")]},
        {
            "resourceType": "Organization",
            "id": "o",
            "name": "Lanternfield Clinic",
            "alias": ["Lantern House"],
        },
    )
    text = (
        "jani ulbricht, janette, otto zabriskie, 978 555 0177, szymanski, tom oxley, sub44519, v556677, "
        "tamsin, anneke, 77881x2, uwe wimmer, Uwe Wimmer, wimmer, quarry hill clinic, lanternfield clinic, "
        "lantern house"
    )
    clinic.add(document("d1", text))
    (note,) = Run(clinic, tmp_path / "phi").notes()
    assert note["text"] == (
        "[NAME], [PHONE], [NAME], [IDENTIFIER], [IDENTIFIER], [NAME], "
        "[IDENTIFIER], uwe wimmer, [NAME], wimmer, [FACILITY], [FACILITY], [FACILITY]"
    )


def test_nothing_of_another_subject_is_looked_up(clinic: Clinic) -> None:
    other = patient("p2", name=[{"family": "Tchaikovsky", "given": ["Ottilie"]}])
    clinic.add(JANE, other)
    with subject_identifiers(clinic.source, clinic.source.parent) as index:
        assert [name.family for name in index.of("p2").names] == ["Tchaikovsky"]
        assert index.of("nobody") == SubjectIdentifiers()
    assert {path.name for path in clinic.source.parent.iterdir()} == {"source"}


def test_a_record_that_cannot_be_read_again_is_no_reason_to_know_nobody(clinic: Clinic) -> None:
    clinic.add(JANE)
    with subject_identifiers(clinic.source, clinic.source.parent) as index:
        (clinic.source / "Patient.ndjson").unlink()
        with pytest.raises(DataError):
            index.of("p1")


def test_refusals_leave_nothing_behind(clinic: Clinic, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        scrub_notes(tmp_path / "absent", tmp_path / "phi", pseudonyms=PSEUDONYMS)
    with pytest.raises(UsageError):
        scrub_notes(clinic.source, tmp_path / "phi", pseudonyms=PSEUDONYMS)
    clinic.add(JANE)
    with pytest.raises(UsageError):
        scrub_notes(clinic.source, clinic.source, pseudonyms=PSEUDONYMS)
    with pytest.raises(UsageError):
        scrub_notes(clinic.source, tmp_path / "phi", pseudonyms=PSEUDONYMS, kinds=frozenset())
    assert not list(tmp_path.glob("phi/*"))


def test_the_same_source_gives_the_same_bytes(clinic: Clinic, tmp_path: Path) -> None:
    clinic.add(JANE, document("d1", "Janette"), document("d2", "Roekampf"))
    one, two = Run(clinic, tmp_path / "one"), Run(clinic, tmp_path / "two")
    for name in (SCRUBBED_NOTES, SCRUB_REPORT):
        assert (one.out / name).read_bytes() == (two.out / name).read_bytes()


# --- how much is found in the notes of the synthetic hospital -----------------------------------------------


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighty invented patients with notes."""
    folder = tmp_path_factory.mktemp("hospital") / "phi"
    write_ndjson(folder, patients=80, seed=11)
    return folder


def hospital_notes(folder: Path) -> Iterator[tuple[str, str]]:
    """(patient, text) of every note."""
    for path in sorted(folder.glob("DocumentReference*.ndjson")):
        for line in path.read_bytes().splitlines():
            resource = json.loads(line)
            data = resource["content"][0]["attachment"]["data"]
            yield resource["subject"]["reference"].split("/")[1], base64.b64decode(data).decode()


def test_every_identifier_of_the_records_is_removed_from_the_hospitals_notes(
    hospital: Path, tmp_path: Path
) -> None:
    report = scrub_notes(hospital, tmp_path / "phi", pseudonyms=PSEUDONYMS)
    assert report.notes > 150
    assert set(report.known) == {
        "name",
        "address",
        "city",
        "postal_code",
        "phone",
        "email",
        "identifier",
        "date",
    }
    for one in report.known.values():
        assert isinstance(one, dict)
        assert one["recall"] == 1.0
    written = (tmp_path / "phi" / SCRUBBED_NOTES).read_text()
    assert "was seen from [DATE] for" in written
    assert report.replaced[IdentifierClass.NAME] == 4 * report.notes


def test_patterns_alone_find_most_of_them(hospital: Path, tmp_path: Path) -> None:
    """Without any record: addresses, names next to cues, dates, numbers. A name without a cue is missed."""
    tally = RecallTally()
    (tmp_path / "work").mkdir()
    with subject_identifiers(hospital, tmp_path / "work") as index:
        scrubber = Scrubber(SubjectIdentifiers())
        for subject, text in hospital_notes(hospital):
            tally.count(index.of(subject), text, scrubber.scrub(text).text)
    recall = {kind: 1 - tally.still[kind] / count for kind, count in tally.stood.items()}
    assert min(recall.values()) >= 0.99


def test_what_is_clinical_stays(hospital: Path) -> None:
    """Words of the notes that identify nobody are all there after the scrub."""
    lost: Counter[str] = Counter()
    clinical = (
        "was",
        "seen",
        "complaints",
        "return",
        "informed",
        "routine",
        "check",
        "told",
        "note",
        "summary",
    )
    for _, text in hospital_notes(hospital):
        before, after = words(text), words(Scrubber(SubjectIdentifiers()).scrub(text).text)
        lost.update(word for word in clinical if before.count(word) > after.count(word))
    assert not lost
