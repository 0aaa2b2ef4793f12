"""In whatever form an identifier was released, the scan finds it: written otherwise, encoded, in any file."""

from __future__ import annotations

import base64
import gzip
import html
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from medcairn.core.errors import DataError
from medcairn.deid import LeakClass, scan
from medcairn.deid.leaks import ScanReport, Unsearched

from .clinic import Clinic, observation, patient

MARTA = patient(
    "5d1f0c2e-7a4b-4f7e-9c1d-2b8a90c4e611",
    name=[
        {"use": "official", "family": "Núñez-Østergård", "given": ["Márta", "Zoë"]},
        {"use": "maiden", "family": "Müllerskön"},
        {"use": "nickname", "text": "Tuki Vandersloot"},
        {"family": "王", "given": ["小明"]},
    ],
    telecom=[
        {"system": "phone", "value": "(617) 555-0142 x88"},
        {"system": "phone", "value": "+44 20 7946 0958"},
        {"system": "email", "value": "Marta.N@mail.example"},
        {"system": "url", "value": "https://people.example.org/marta/about?tab=2"},
    ],
    identifier=[
        {"system": "urn:mrn", "value": "MRN-00123456"},
        {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.840.99999999.7.61773475.1588766263"},
        {"system": "urn:policy", "value": "QWXZPLMK"},
    ],
    birthDate="1961-03-07",
    address=[
        {"line": ["297 Birchmere Road"], "city": "Bellows Falls", "postalCode": "5101"},
        {"line": ["12 Rue Haute"], "city": "Zürichberg", "postalCode": "SW1A 1AA"},
    ],
    contact=[{"name": {"family": "Threlkeld", "given": ["Ivo"]}}],
    contained=[{"resourceType": "RelatedPerson", "id": "r1", "name": [{"text": "Dr. Odalys Quintanilla"}]}],
)  # fmt: skip
BUNDLE = {
    "resourceType": "Bundle",
    "id": "bundle-000001",
    "entry": [
        {
            "fullUrl": "https://ehr.example.org/fhir/Practitioner/771",
            "resource": {"resourceType": "Practitioner", "id": "771", "name": [{"family": "Cardwell"}]},
        },
        {
            "resource": {
                "resourceType": "Location",
                "id": "location-00001",
                "name": "Harrow Lane Clinic",
                "position": {"latitude": 42.3601234, "longitude": -71.0589},
            }
        },
    ],
}
SEEN = observation(
    "observation-000001",
    "2019-03-04T10:00:00Z",
    "5d1f0c2e-7a4b-4f7e-9c1d-2b8a90c4e611",
    performer=[{"reference": "Practitioner?identifier=npi|1106898347", "display": "Dr. Ulrika Wendelbo"}],
    note=[{"text": "Call the daughter at 413.555.0199"}],
)


@pytest.fixture
def marta(clinic: Clinic) -> Clinic:
    """A clinic with one patient, a bundle and a measurement."""
    return clinic.add(MARTA, BUNDLE, SEEN)


def released(clinic: Clinic, value: Any, name: str = "Observation.ndjson") -> ScanReport:
    """The scan of an output with ``value`` in a resource, or ``value`` itself when it is bytes."""
    out = clinic.source.parent / "out"
    out.mkdir(exist_ok=True)
    line = value if isinstance(value, bytes) else json.dumps({"note": [{"text": value}]}).encode() + b"\n"
    (out / name).write_bytes(line)
    return scan(clinic.source, out)


def classes(report: ScanReport) -> set[LeakClass]:
    return {hit.leak for hit in report.hits}


@pytest.mark.parametrize(
    ("text", "leak"),
    [
        ("NUNEZ OSTERGARD", LeakClass.NAME),
        ("nunezostergard", LeakClass.NAME),
        ("Mullerskon", LeakClass.NAME),
        ("Muellerskoen", LeakClass.NAME),
        ("Zoe Nunez-Ostergard", LeakClass.PHRASE),
        ("Tuki", LeakClass.NAME),
        ("Vandersloot, Tuki", LeakClass.PHRASE),
        ("病人王小明來了", LeakClass.PHRASE),
        ("Threlkeld", LeakClass.NAME),
        ("Ivo Threlkeld", LeakClass.PHRASE),
        ("Quintanilla", LeakClass.NAME),
        ("Cardwell", LeakClass.NAME),
        ("Wendelbo", LeakClass.NAME),
        ("Harrow Lane clinic", LeakClass.PHRASE),
        ("297 Birchmere Rd.", LeakClass.PHRASE),
        ("Bellows Falls", LeakClass.PHRASE),
        ("Zurichberg", LeakClass.CITY),
        ("VT 05101", LeakClass.POSTAL_CODE),
        ("SW1A1AA", LeakClass.PHRASE),
    ],
)
def test_names_and_places_are_found_however_they_are_written(
    marta: Clinic, text: str, leak: LeakClass
) -> None:
    assert leak in classes(released(marta, f"seen: {text}, today"))


@pytest.mark.parametrize(
    ("text", "leak"),
    [
        ("617-555-0142", LeakClass.PHONE),
        ("617.555.0142", LeakClass.PHONE),
        ("+1 (617) 555 0142", LeakClass.PHONE),
        ("16175550142", LeakClass.PHONE),
        ("617-555-0142 x88", LeakClass.PHONE),
        ("555-0142", LeakClass.PHONE),
        ("020 7946 0958", LeakClass.PHONE),
        ("00442079460958", LeakClass.PHONE),
        ("(413) 555-0199", LeakClass.PHONE),
        ("MARTA.N@MAIL.EXAMPLE", LeakClass.EMAIL),
        ("http://people.example.org/marta/about?tab=2", LeakClass.URL),
        ("ehr.example.org/fhir/Practitioner/771", LeakClass.URL),
        ("00123456", LeakClass.IDENTIFIER),
        ("1.2.840.99999999.7.61773475.1588766263", LeakClass.IDENTIFIER),
        ("qwxzplmk", LeakClass.IDENTIFIER),
        ("1106898347", LeakClass.IDENTIFIER),
        ("5D1F0C2E7A4B4F7E9C1D2B8A90C4E611", LeakClass.RESOURCE_ID),
        ("42.360123", LeakClass.COORDINATE),
        ("-71.0589", LeakClass.COORDINATE),
    ],
)
def test_numbers_and_addresses_are_found_in_all_formats(marta: Clinic, text: str, leak: LeakClass) -> None:
    assert leak in classes(released(marta, f"({text})"))


def test_numbers_without_their_zeros_are_found_as_json_numbers(marta: Clinic) -> None:
    assert classes(released(marta, 6175550142)) == {LeakClass.PHONE}
    assert classes(released(marta, -42.3601234)) == {LeakClass.COORDINATE}


@pytest.mark.parametrize(
    "text",
    [
        "1961-03-07", "1961/3/7", "19610307", "1961.03.07", "03/07/1961", "3/7/61", "07.03.1961", "7-3-1961",
        "7 March 1961", "07MAR1961", "7-Mar-61", "March 7, 1961", "Mar. 7th 1961", "7th of March 1961",
        "1961 Mar 07", "1961-03-07T04:05:06Z",
    ],
)  # fmt: skip
def test_full_dates_within_a_text_are_found_in_common_formats(marta: Clinic, text: str) -> None:
    assert classes(released(marta, f"born {text}.")) == {LeakClass.BIRTH_DATE}
    seen = text.replace("1961", "2019").replace("61", "19").replace("07", "04").replace("7", "4")
    assert classes(released(marta, f"seen {seen}.")) == {LeakClass.DATE}


@pytest.mark.parametrize(
    "text",
    [
        "1.2.840.10008",
        "LOINC 48642-3",
        "436.4287",
        "v2.3.61",
        "Zoë",
        "Bo",
        "10.5101",
        "March 1961",
        "1961-03",
    ],
)
def test_what_only_looks_alike_is_no_hit(marta: Clinic, text: str) -> None:
    assert classes(released(marta, text)) == set()


def encodings(text: str) -> dict[str, str]:
    data = text.encode()
    once = base64.b64encode(data).decode()
    return {
        "escaped twice": json.dumps(json.dumps({"a\n": text})),
        "base64": once,
        "base64 without its end": once.rstrip("="),
        "base64 for URLs": base64.urlsafe_b64encode(b"\xff\xfe? " + data).decode(),
        "base64 of a note": base64.b64encode(f"Märch\nPatient: {text}, seen.\n".encode()).decode(),
        "base64 in the Western code page": base64.b64encode(f"Café {text} et al".encode("cp1252")).decode(),
        "base64 of UTF-16": base64.b64encode(f"note {text}".encode("utf-16-le")).decode(),
        "base64 twice": base64.b64encode(once.encode()).decode(),
        "base64 in lines": base64.encodebytes(b"A longer note, of many words. " * 3 + data).decode(),
        "base64 in a data URL": f"data:text/plain;base64,{once}",
        "base64 in a path": f"Binary/{once}",
        "base64 of a picture": base64.b64encode(b"\x89PNG\r\n\x1a\n\x00\x01" + data + b"\x00\x9c").decode(),
        "percent": "".join(f"%{byte:02X}" for byte in data),
        "percent of a query": "q=" + quote(f"{text}, {text}"),
        "percent of base64": quote(once, safe=""),
        "hexadecimal": data.hex(),
        "entities": "".join(f"&#{ord(mark)};" for mark in text),
        "HTML": f"<td>{html.escape(text).replace(' ', '</td><td>')}</td>",
    }


@pytest.mark.parametrize("name", sorted(encodings("")))
@pytest.mark.parametrize("text", ["Vandersloot Tuki", "617-555-0142", "297 Birchmere Road"])
def test_an_identifier_is_found_in_encodings(marta: Clinic, name: str, text: str) -> None:
    assert released(marta, encodings(text)[name]).hits


def test_an_identifier_of_sixteen_letters_in_hexadecimal_does_not_pass_for_a_pseudonym(marta: Clinic) -> None:
    text = b"Tuki Vandersloot"
    assert len(text.hex()) == 32
    assert released(marta, text.hex()).hits


def test_short_ids_are_sought_only_where_ids_stand(marta: Clinic) -> None:
    places = [{"id": "771"}, {"a": {"reference": "Practitioner/771/_history/2"}}, {"patientId": "r1"}]
    report = released(marta, b"".join(json.dumps(place).encode() + b"\n" for place in places))
    assert [(hit.line, hit.path, hit.leak) for hit in report.hits] == [
        (1, "line.id", LeakClass.RESOURCE_ID),
        (2, "line.a.reference", LeakClass.RESOURCE_ID),
        (3, "line.patientId", LeakClass.RESOURCE_ID),
    ]
    assert report.not_searched[Unsearched.ID_WHERE_IDS_STAND] == 2
    assert released(marta, "room 771").clean


def test_what_is_not_searched_for_is_counted_by_reason(clinic: Clinic) -> None:
    drink = {"coding": [{"system": "urn:x", "code": "1", "display": "Drinks brown ale"}]}
    clinic.add(
        patient(name=[{"family": "Brown", "given": ["Al", "Rosalind"]}], identifier=[{"value": "A12"}]),
        {"resourceType": "Location", "id": "loc-00000001", "name": "Ward"},
        observation("observation-1", "2019-03-04", code=drink),
    )
    report = scan(clinic.source, clinic.release().folder)
    assert report.clean
    assert report.not_searched == {
        Unsearched.NAME_TOO_SHORT: 1,
        Unsearched.NAME_IS_A_WORD: 1,
        Unsearched.FACILITY_OF_ONE_WORD: 1,
        Unsearched.IDENTIFIER_TOO_SHORT: 1,
        Unsearched.ID_WHERE_IDS_STAND: 1,
    }
    assert released(clinic, "Brown hair").clean
    assert classes(released(clinic, "Mr. Brown, Al")) == {LeakClass.PHRASE}


def test_a_name_in_small_letters_is_no_word_when_it_shows_a_person(clinic: Clinic) -> None:
    shown = {"reference": "Patient/p1", "display": "rosalind brown"}
    clinic.add(patient(name=[{"family": "Brown"}]), {"resourceType": "Flag", "id": "f", "subject": shown})
    assert classes(released(clinic, "brown")) == {LeakClass.NAME}


def test_whole_dates_that_may_be_moved_are_counted(marta: Clinic) -> None:
    report = released(marta, b'{"issued":"2019-03-04T23:00:00Z","date":"2019-03-04"}\n{"on":"1961-03-07"}\n')
    assert report.clean
    assert report.not_searched[Unsearched.DATE_MAY_BE_MOVED] == 2


def test_json_laid_out_over_lines_is_told_by_line_and_element(marta: Clinic) -> None:
    report = released(
        marta, json.dumps({"birthDate": "1961-03-07", "x": ["Tuki"]}, indent=1).encode(), "a.json"
    )
    assert [(hit.line, hit.path, hit.leak) for hit in report.hits] == [
        (2, "line.birthDate", LeakClass.BIRTH_DATE),
        (4, "line[0]", LeakClass.NAME),
    ]


@pytest.mark.parametrize("name", ["note.txt", "page.html", "table.csv", "deep/er/notes.md", "log"])
def test_other_text_is_searched_by_lines(marta: Clinic, name: str) -> None:
    (marta.source.parent / "out" / "deep" / "er").mkdir(parents=True)
    report = released(marta, b'first\nid;<b>Vandersloot</b>;"x"\nlast\n', name)
    assert [(hit.file, hit.line, hit.path) for hit in report.hits] == [(name, 2, "line")]


def test_a_table_s_dates_may_be_moved_ones_but_for_births(marta: Clinic) -> None:
    moved = b"id,seen,ended\n1,2019-03-04,1961-03-07T00:00:00\n"
    assert released(marta, moved, "visits.csv").clean
    assert classes(released(marta, b"id,birth_date\n1,1961-03-07\n", "visits.csv")) == {LeakClass.BIRTH_DATE}
    assert classes(released(marta, b"id,note\n1,on 2019-03-04\n", "visits.csv")) == {LeakClass.DATE}


def test_compressed_text_is_searched(marta: Clinic) -> None:
    assert released(marta, gzip.compress(b'{}\n{"a":"Vandersloot"}\n'), "x.ndjson.gz").hits[0].line == 2


def test_files_that_are_not_text_are_counted_as_not_searched(marta: Clinic) -> None:
    (marta.source.parent / "out").mkdir()
    (marta.source.parent / "out" / "table.parquet").write_bytes(b"PAR1\x00\x00Vandersloot")
    report = released(marta, b"{}\n")
    assert (report.files, report.files_not_searched) == (1, 1)


def test_a_broken_compressed_file_is_an_error_or_no_text(marta: Clinic) -> None:
    packed = gzip.compress(json.dumps({"a": list(range(9999))}).encode())
    with pytest.raises(DataError):
        released(marta, packed[:-900], "x.ndjson.gz")
    with pytest.raises(DataError):
        released(marta, packed[:900] + b"\0" * 99 + packed[999:], "x.ndjson.gz")


def test_a_name_of_a_file_is_searched_and_not_shown(marta: Clinic) -> None:
    report = released(marta, b"{}\n", "vandersloot.ndjson")
    assert [(hit.file, hit.line, hit.path) for hit in report.hits] == [("file-0", 0, "file_name")] * len(
        report.hits
    )
    assert "vandersloot" not in json.dumps(report.as_json())


def test_a_compressed_source_is_read(clinic: Clinic, tmp_path: Path) -> None:
    (clinic.source / "Patient.ndjson.gz").write_bytes(gzip.compress(json.dumps(MARTA).encode()))
    assert classes(released(clinic, "Vandersloot")) == {LeakClass.NAME}


def test_a_source_laid_out_over_lines_is_read(clinic: Clinic) -> None:
    (clinic.source / "bundle.json").write_text(json.dumps({"entry": [{"resource": MARTA}]}, indent=2))
    report = released(clinic, "Vandersloot, Tuki; Threlkeld")
    assert classes(report) == {LeakClass.NAME, LeakClass.PHRASE}
    assert Unsearched.LINE_UNREADABLE not in report.not_searched


def test_lines_of_the_source_that_are_no_json_are_counted_and_their_ids_sought(clinic: Clinic) -> None:
    clinic.add_line("Patient", '{"id":"person-00000001","name":[{"family":"Roekampf"')
    report = released(clinic, "person-00000001")
    assert report.not_searched == {Unsearched.LINE_UNREADABLE: 1}
    assert classes(report) == {LeakClass.RESOURCE_ID}
