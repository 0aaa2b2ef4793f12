# ruff: noqa: E501 (tables: a row is a line, a list of words is read as one)
"""The detector: what it finds and in which disguise, what it lets pass, and that it never tells a value."""

from __future__ import annotations

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.core.canonical import JSON
from medcairn.core.errors import UsageError
from medcairn.core.labels import Label
from medcairn.phi import PhiClass, PhiDetector
from phi.identifiers import planted

DETECTOR = PhiDetector(b"a key of sixteen bytes or more")
HERE = Label("params[3].value")


def classes(text: str, cue: str = "") -> set[str]:
    return {finding.phi_class.value for finding in DETECTOR.find(text, location=HERE, cue=cue)}


FOUND = {
    "ssn": ["123-45-6789", "SSN 123456789", "excluded_219-09-9999"],
    "mrn": ["MRN: MC000123456", "auc_mrn_4471120", "patient_id=P0012345", "{'mrn': '4471120'}", "explained encounterId 88123441"],
    "phone": ["(617) 555-0123", "phone: 6175550123", "+44 20 7946 0958"],
    "email": ["jane.doe@mail.example"],
    "street_address": ["lives at 12 Elm Street", "12 elm street apt 4", "P.O. Box 1234"],
    "date": ["DOB 5/17/60", "birth_date=1960-05-17", "The patient was seen in clinic on 05/17/2020", "dob=19600517"],
    "name": ["Patient: Jane Doe", "patient_name=Jane Doe", "Mrs. Abernathy", "Name: DOE, JANE", "auc_patient_Jane_Doe"],
    "npi": ["NPI 1234567893"],
    "dea": ["DEA# AB1234563", "BS9998886"],
    "ip_address": ["203.0.113.77", "client ip 10.1.2.3", "2001:db8::ff00:42:8329"],
    "mac_address": ["00:1A:2b:3c:4D:5e"],
    "url_with_id": ["https://ehr.example/fhir/Patient/1234567", "https://x.example/a?mrn=A12345", "Patient/4471120"],
    "free_text": ["67 yo M c/o chest pain, denies fever, h/o asthma. Metformin BID, f/u 2 wks"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("phi_class", "text"), [(kind, text) for kind, texts in FOUND.items() for text in texts]
)
def test_identifiers_and_the_disguises_that_do_not_help(phi_class: str, text: str) -> None:
    percent = "".join(f"%{byte:02X}" for byte in text.encode())
    disguises = [
        text,
        f"x {text} y",
        json.dumps({"note": text}),
        json.dumps({"outer": json.dumps({"inner": text})}),
        percent,
        "".join(f"&#{ord(mark)};" for mark in text),
        "".join(f"\\u{ord(mark):04x}" for mark in text),
        base64.b64encode(text.encode()).decode(),
        base64.urlsafe_b64encode(percent.encode()).decode().rstrip("="),
        "\u200b".join(text),
        "".join(chr(ord(mark) + 0xFEE0) if "!" <= mark <= "~" else mark for mark in text),
    ]
    missed = [number for number, disguise in enumerate(disguises) if phi_class not in classes(disguise)]
    assert missed == []


UNDER_A_CUE = [
    ("ssn", "123456789", "ssn"), ("mrn", "4471120", "patientId"), ("phone", "6175550123", "home_phone"), ("npi", "1234567893", "npi"),
    ("date", "1960-05-17T00:00:00Z", "birthDate"), ("name", "jane doe", "patient_name"), ("street_address", "12 hollow 4", "address"),
]  # fmt: skip


@pytest.mark.parametrize(("phi_class", "text", "cue"), UNDER_A_CUE)
def test_a_value_that_is_one_only_under_its_key(phi_class: str, text: str, cue: str) -> None:
    assert classes(text) == set()
    assert classes(text, cue) == {phi_class}
    assert classes(json.dumps({cue: text})) == {phi_class}
    (finding,) = DETECTOR.find_in_json([{"key": cue, "value": text}], location=Label("params"))
    assert (finding.phi_class, finding.location) == (phi_class, "params[0].value")


PASS = [
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "d41d8cd98f00b204e9800998ecf8427e", "sha256:" + "0f" * 32, "2025-06-30T12:00:00Z", "2024-05-17",
    "E11.9", "LOINC 2160-0", "SNOMED 44054006", "RxNorm 860975", "1.2.3.4", "numpy==2.4.0", "opencv 4.8.1.78", "127.0.0.1", "0.0.0.0:5000",
    "1234567893", "123456789", "6175550123", "seed=1234567893", "512-256-1024", "patient_count=12345", "n_patients 120000", "git@github.com:o/r.git",
    "model name: Random Forest", "Name: Nelson Aalen", "Dr. of the week", "MS COCO", "MR imaging", "1 Root Mean Square", "['ssn', 'mrn', 'dob']",
    "admitted between 2015-01-01 and 2020-12-31", "/usr/lib/python3.11/site-packages/sklearn/base.py", "https://arxiv.org/abs/1706.03762",
    "https://mlflow.example/#/experiments/123456789012345678/runs/d41d8cd98f00b204e9800998ecf8427e", "RandomForestClassifier(max_depth=5)",
]  # fmt: skip


@pytest.mark.parametrize("text", PASS)
def test_what_only_looks_like_an_identifier(text: str) -> None:
    assert classes(text) == set()
    assert classes(json.dumps({"a": text})) == set()


class TestFreeText:
    PROSE = "This is what was said about the model when it was made, and all of it is meant for those who come after. "

    def test_prose_over_the_length(self) -> None:
        assert classes(self.PROSE * 4) == set()
        assert classes(self.PROSE * 6) == {"free_text"}

    def test_a_shorter_length(self) -> None:
        short = PhiDetector(b"a key of sixteen bytes or more", longest_text=200)
        assert [f.phi_class for f in short.find(self.PROSE * 3, location=HERE)] == [PhiClass.FREE_TEXT]

    @pytest.mark.parametrize(
        "text",
        [
            json.dumps({f"parameter_{n}": [n, n + 1] for n in range(100)}),
            ", ".join(f"feature_{n}_mean" for n in range(100)),
            "\n".join(f"def function_{n}(x: int) -> int: return x + {n}" for n in range(40)),
            base64.b64encode(bytes(range(256)) * 4).decode(),
            "/".join(["folder"] * 200),
        ],
    )
    def test_long_texts_that_are_no_prose(self, text: str) -> None:
        assert len(text) > 500
        assert classes(text) == set()

    def test_a_document_is_judged_by_its_paragraphs(self) -> None:
        def found(text: str) -> int:
            return len(DETECTOR.find_in_document(text, location=HERE, longest_paragraph=500))

        assert found("\n\n".join([self.PROSE * 4] * 5)) == 0
        assert found(self.PROSE * 6) == 1


class TestFindings:
    def test_the_hash_is_the_same_for_equal_values_under_one_key(self) -> None:
        one = DETECTOR.find("SSN 123-45-6789", location=HERE)[0]
        same = DETECTOR.find('{"ssn": "123 45 6789"}', location=Label("other"))[0]
        other = DETECTOR.find("SSN 123-45-6788", location=HERE)[0]
        foreign = PhiDetector(b"another key of many bytes").find("SSN 123-45-6789", location=HERE)[0]
        assert one.keyed_hash == same.keyed_hash
        assert len({one.keyed_hash, other.keyed_hash, foreign.keyed_hash}) == 3
        assert re.fullmatch("[0-9a-f]{24}", one.keyed_hash)

    def test_places_in_json_are_told_without_names_that_came_with_the_data(self) -> None:
        document: JSON = {
            "params": [{"Jane": 1}, {"value": {"x": ["jane@mail.example"]}}],
            "tags": {"jane@mail.example": 2},
        }
        found = DETECTOR.find_in_json(document, location=Label("body"))
        assert [str(f.location) for f in found] == ["body.params[1].value.<0>[0]", "body.tags.<0>(key)"]

    def test_a_name_that_an_object_has_twice_hides_nothing(self) -> None:
        assert classes('{"a": "\\u0031\\u0032\\u0033-45-6789", "a": "clean"}') == {"ssn"}

    def test_columns_whose_name_says_it(self) -> None:
        found = DETECTOR.find_in_column_names(
            ["age", "Patient Name", "dob", "ssn"], location=Label("columns")
        )
        assert [(f.phi_class.value, str(f.location)) for f in found] == [
            ("name", "columns[1]"), ("date", "columns[2]"), ("ssn", "columns[3]"),
        ]  # fmt: skip

    def test_a_table_in_json_has_columns(self) -> None:
        assert classes(json.dumps({"columns": ["age", "mrn"], "data": [[1, 2]]})) == {"mrn"}

    def test_a_short_key_is_refused(self) -> None:
        with pytest.raises(UsageError):
            PhiDetector(b"short")

    def test_json_that_is_too_deep_is_no_way_through(self) -> None:
        deep: object = "jane@mail.example"
        for _ in range(300):
            deep = [deep]
        assert DETECTOR.find_in_json(deep, location=HERE)  # type: ignore[arg-type]


@given(st.sampled_from(list(PhiClass)), st.integers(0, 10**6))
def test_no_value_is_in_what_is_told(phi_class: PhiClass, seed: int) -> None:
    (one,) = planted(phi_class, 1, seed)
    told = repr(DETECTOR.find(one.text, location=HERE, cue=one.cue)) + repr(DETECTOR)
    told += repr(DETECTOR.find_in_json({one.text: {one.cue: one.value}}, location=Label("body")))
    assert one.value not in told


@given(st.text(max_size=300), st.text(max_size=20))
def test_any_text_under_any_key_gets_an_answer(text: str, cue: str) -> None:
    DETECTOR.find(text, location=HERE, cue=cue)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_any_json_gets_an_answer(value: object) -> None:
    DETECTOR.find_in_json(value, location=HERE)  # type: ignore[arg-type]
