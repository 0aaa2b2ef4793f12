"""The detectors, each by its own examples; their check digits; and what findings promise."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcairn.core.identifiers import (
    Detector,
    Finding,
    IdentifierClass,
    IdentifierFinder,
    allowed_patterns,
    joined,
    shipped_detectors,
)
from medcairn.core.identifiers.checks import dea, luhn, npi, ssn, verhoeff, vin

EVERYTHING = (*shipped_detectors(), *allowed_patterns())


def marked(example: str) -> tuple[str, list[tuple[int, int]]]:
    """(text, spans between « and ») of an example."""
    text, spans = "", []
    for part in re.split("(«[^»]*»)", example):
        if part.startswith("«"):
            spans.append((len(text), len(text) + len(part) - 2))
            part = part[1:-1]
        text += part
    return text, spans


@pytest.mark.parametrize("detector", EVERYTHING, ids=lambda detector: detector.name)
def test_a_detector_finds_and_spares_what_its_examples_say(detector: Detector) -> None:
    assert detector.finds
    for example in detector.finds:
        text, spans = marked(example)
        assert spans, example
        assert list(detector.spans(text)) == spans, example
    for example in detector.spares:
        assert list(detector.spans(example)) == [], example


def test_every_class_that_the_guard_names_has_a_detector() -> None:
    covered = {detector.identifier_class for detector in shipped_detectors()}
    assert covered == set(IdentifierClass) - {IdentifierClass.FACILITY}


def test_names_of_detectors_are_unique() -> None:
    assert len({detector.name for detector in EVERYTHING}) == len(EVERYTHING)


class TestCheckDigits:
    """Published numbers, and what one changed digit does to them."""

    def test_luhn(self) -> None:
        assert luhn("79927398713")
        assert luhn("4539148803436467")

    def test_npi_example_of_the_standard(self) -> None:
        assert npi("1234567893")
        assert not npi("3234567893")

    def test_dea(self) -> None:
        assert dea("AB1234563")
        assert not dea("AB1234564")

    def test_vin_example_of_the_standard(self) -> None:
        assert vin("1M8GDM9AXKP042788")
        assert not vin("1" * 17)  # its check digit fits, but it is nobody's

    def test_snomed_ct(self) -> None:
        assert verhoeff("44054006")
        assert verhoeff("900000000000207008")

    @given(st.integers(10**9, 2 * 10**9 - 1), st.integers(1, 9), st.integers(1, 9))
    def test_one_changed_digit_is_noticed(self, number: int, place: int, more: int) -> None:
        digits = next(d for d in (f"{number:010}"[:9] + str(last) for last in range(10)) if npi(d))
        changed = digits[:place] + str((int(digits[place]) + more) % 10) + digits[place + 1 :]
        assert not npi(changed)

    def test_numbers_that_were_never_issued(self) -> None:
        assert ssn("123456789")
        assert ssn("912701234")  # a taxpayer number
        assert not any(map(ssn, ("000123456", "666123456", "123006789", "123450000")))


class TestFinder:
    """What findings promise."""

    def test_findings_hold_places_and_no_values(self) -> None:
        (finding,) = IdentifierFinder(shipped_detectors({IdentifierClass.EMAIL})).find("to jane@mail.example")
        assert finding == Finding(3, 20, IdentifierClass.EMAIL, "email")
        assert "jane" not in repr(finding)

    def test_only_the_classes_that_were_asked_for(self) -> None:
        finder = IdentifierFinder(shipped_detectors({IdentifierClass.PHONE}))
        text = "jane@mail.example, (617) 555-0123, SSN 123-45-6789"
        assert [f.identifier_class for f in finder.find(text)] == [IdentifierClass.PHONE]

    def test_the_longer_reading_counts(self) -> None:
        text = "see https://x.example/jane@mail.example/617-555-0123"
        (finding,) = IdentifierFinder(shipped_detectors()).find(text)
        assert (finding.start, finding.end) == (4, len(text))
        assert finding.identifier_class is IdentifierClass.URL

    @pytest.mark.parametrize(
        "text",
        [
            "run 6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "started 2025-06-30T12:00:00Z",
            "version 10.1.2.3",
            "LOINC 2345-7, E11.9, SNOMED 44054006, RxNorm 860975",
        ],
    )
    def test_what_only_looks_like_one_is_allowed_on_request(self, text: str) -> None:
        assert IdentifierFinder(shipped_detectors(), allowed_patterns()).find(text) == []

    def test_an_identifier_beside_an_allowed_text_is_still_found(self) -> None:
        finder = IdentifierFinder(shipped_detectors(), allowed_patterns())
        text = "run 6ba7b810-9dad-11d1-80b4-00c04fd430c8 of jane@mail.example at 2025-06-30T12:00:00Z"
        assert [f.identifier_class for f in finder.find(text)] == [IdentifierClass.EMAIL]

    @given(st.text(max_size=200))
    def test_any_text_gives_places_within_it_in_order(self, text: str) -> None:
        found = IdentifierFinder(shipped_detectors(), allowed_patterns()).find(text)
        assert all(0 <= f.start < f.end <= len(text) for f in found)
        assert all(a.end <= b.start for a, b in pairwise(found))

    @given(
        st.lists(
            st.tuples(st.integers(0, 30), st.integers(1, 10), st.sampled_from(list(IdentifierClass))),
            max_size=12,
        )
    )
    def test_joining_covers_every_place_that_was_found_and_no_other(
        self, spans: list[tuple[int, int, IdentifierClass]]
    ) -> None:
        findings = [Finding(start, start + length, kind) for start, length, kind in spans]
        whole = joined(findings)
        places = [place for finding in whole for place in range(finding.start, finding.end)]
        assert len(set(places)) == len(places)
        assert set(places) == {p for finding in findings for p in range(finding.start, finding.end)}
        assert {f.identifier_class for f in whole} <= {f.identifier_class for f in findings}

    @pytest.mark.parametrize(
        "piece",
        [
            "a",
            "A",
            "1",
            "1.",
            "1-",
            "1 ",
            "A ",
            "Aa ",
            "a.",
            "a@",
            "1:",
            "a:",
            "+1",
            "/",
            "(",
            "Dr. ",
            "1 A ",
            "MRN ",
        ],
    )
    def test_no_text_takes_long(self, piece: str) -> None:
        """Time grows with the length: ten thousand repeats take less than a second a detector."""
        text = piece * 10_000
        for detector in EVERYTHING:
            begun = time.perf_counter()
            list(detector.spans(text))
            assert time.perf_counter() - begun < 1.0, detector.name
