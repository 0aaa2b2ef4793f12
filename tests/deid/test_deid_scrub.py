"""The text scrub: how identifiers may be written, what stays, how much is found, and how it is labelled."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcairn.core.identifiers import IdentifierClass
from medcairn.deid.scrub import (
    Known,
    PersonName,
    Scrubber,
    SubjectIdentifiers,
)
from medcairn.deid.scrub.recall import RecallTally

MARIA = SubjectIdentifiers(
    names=(PersonName(("María", "Quill"), "O'Brien-Smith"), PersonName(("Will",), "Ng")),
    streets=("1600 North Juniper Hollow Road Apt 4B",),
    cities=("Bellows Falls", "Reading"),
    postal_codes=("05101-1234",),
    phones=("(617) 555-0123", "+1 413 555 0199"),
    emails=("m.obrien@mail.example",),
    numbers=("MC000123456", "987-65-4321", "00-77-31-5"),
    dates=(date(1960, 5, 17),),
    facilities=("Saltmarsh Memorial Hospital",),
    clinicians=(PersonName(("Zenobia",), "Haverkamp"),),
)
HER_OWN = Scrubber(MARIA, patterns=False)
FULL = Scrubber(MARIA)

WRITTEN = {
    "[NAME]": [
        "María Quill O'Brien-Smith", "Maria O’Brien-Smith", "MARIA OBRIEN SMITH", "O'Brien-Smith, María Q",
        "O'Brien Smith, Maria", "M. O'Brien-Smith", "maria", "Quill", "obrien-smith", "mariaobriensmith",
        "maria_obrien_smith", "M Q O'Brien-Smith", "Will Ng", "Ng, Will", "NG", "Will", "Zenobia Haverkamp",
        "Haverkamp, Zenobia", "Smith", "Mari\u0301a",
    ],
    "[ADDRESS]": [
        "1600 North Juniper Hollow Road Apt 4B", "1600 N. Juniper Hollow Rd., Apt. 4B",
        "1600 N Juniper Hollow Road", "1600 NORTH JUNIPER HOLLOW RD", "North Juniper Hollow Road",
        "1600 North Juniper\nHollow Road",
    ],
    "[CITY]": ["Bellows Falls", "BELLOWS FALLS", "Reading"],
    "[POSTAL_CODE]": ["05101", "05101-1234", "051011234"],
    "[PHONE]": [
        "(617) 555-0123", "617-555-0123", "617.555.0123", "617 555 0123", "6175550123", "+1 617 555 0123",
        "1-617-555-0123", "001 617 555 0123", "617/555-0123", "(617)555 - 0123", "555-0123", "5550123",
        "413-555-0199",
    ],
    "[EMAIL]": [
        "m.obrien@mail.example", "M.OBrien@Mail.Example", "m.obrien @ mail.example", "m-obrien mail example",
    ],
    "[IDENTIFIER]": [
        "MC000123456", "mc-000-123-456", "MC 000123456", "000123456", "123456", "987-65-4321", "987654321",
        "987 65 4321", "0077315", "00.77.31.5",
    ],
    "[DATE]": [
        "1960-05-17", "19600517", "05/17/1960", "17.05.1960", "May 17, 1960", "17 May 1960", "17MAY60",
        "May 17 60",
    ],
    "[FACILITY]": ["Saltmarsh Memorial Hospital", "SALTMARSH MEMORIAL HOSPITAL"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("placeholder", "form"), [(kind, form) for kind, forms in WRITTEN.items() for form in forms]
)
def test_the_subjects_own_identifiers_in_the_forms_that_notes_have(placeholder: str, form: str) -> None:
    """Found by value alone, without any pattern, in the middle of a sentence and at its edges."""
    for before, after in (("seen: ", " today"), ("", ""), ("(", ")."), ("x\n", "\ny"), ("", "'s")):
        assert HER_OWN.scrub(before + form + after).text == before + placeholder + after


SPARED = [
    "She will return when the reading is done.",
    "Hemoglobin 16.5, potassium 4.1, BP 120/80, dose 05 mg.",
    "The marianas and smithsonite are far; the bricklayer hollowed a road.",
    "She is 60 and was born in 1960, has 1600 mL and 4 B cells.",
    "Number 16175550123456 is no telephone.",
    "Hospital, memorial, north, falls.",
    "Haverkamp by itself is left to the patterns.",
]


@pytest.mark.parametrize("text", SPARED)
def test_words_and_numbers_that_are_not_hers_stay(text: str) -> None:
    assert HER_OWN.scrub(text).text == text


def test_a_name_that_is_a_word_needs_its_capital() -> None:
    assert HER_OWN.scrub("Will said she will go to Reading, reading.").text == (
        "[NAME] said she will go to [CITY], reading."
    )


def test_patterns_find_what_the_records_do_not_hold() -> None:
    text = (
        "Her daughter Anneliese (978-555-0177, anne@x.example) lives at 9 Elm St, Lowell, MA 01851. "
        "Dr. Vandermeer saw her on 3/4/2021 with SSN 123-45-6789; her mother is 93 years old. "
        "See https://portal.example/p/1 from 203.0.113.9."
    )
    assert Scrubber(SubjectIdentifiers()).scrub(text).text == (
        "Her daughter [NAME] ([PHONE], [EMAIL]) lives at [ADDRESS], [CITY], MA [POSTAL_CODE]. "
        "Dr. [NAME] saw her on [DATE] with SSN [SSN]; her mother is [AGE_OVER_89] [...]. "
        "See [URL] from [IP]."
    ).replace("[AGE_OVER_89] [...]", "[AGE_OVER_89] years old")


def test_counts_are_by_class() -> None:
    scrubbed = FULL.scrub(
        "Maria O'Brien-Smith, born 1960-05-17, MRN: MC000123456, 617-555-0123 or 413-555-0199"
    )
    assert scrubbed.counts == {
        IdentifierClass.NAME: 1,
        IdentifierClass.DATE: 1,
        IdentifierClass.MRN: 1,
        IdentifierClass.PHONE: 2,
    }


def test_a_placeholder_that_stands_there_stays() -> None:
    named_date = Scrubber(SubjectIdentifiers(names=(PersonName(("Name",), "Date"),)))
    once = named_date.scrub("Name Date came on 2020-05-17").text
    assert once == "[NAME] came on [DATE]"
    assert named_date.scrub(once).text == once


def test_shared_identifiers_are_looked_for_in_every_text() -> None:
    also = Known(SubjectIdentifiers(facilities=("Kestrel Street Health Center",)))
    scrubber = Scrubber(MARIA, also=also, patterns=False)
    assert scrubber.scrub("Maria at Kestrel Street Health Center").text == "[NAME] at [FACILITY]"


FORMS = [form for forms in WRITTEN.values() for form in forms]


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(FORMS) | st.text(max_size=12), max_size=12),
    st.sampled_from([" ", "\n", "; ", ", "]),
)
def test_nothing_of_hers_is_left_whatever_stands_around_it(pieces: list[str], between: str) -> None:
    """Each form between other pieces; afterwards no squeezed row of words is one of her keys."""
    scrubbed = HER_OWN.scrub(between.join(pieces)).text
    again = HER_OWN.scrub(scrubbed)
    assert again.counts == {}
    assert again.text == scrubbed


@given(st.text(max_size=300))
def test_any_text_can_be_scrubbed(text: str) -> None:
    scrubbed = FULL.scrub(text)
    assert (scrubbed.text == text) == (not scrubbed.counts)


def test_recall_counts_what_was_left() -> None:
    """The measure itself: a scrub that forgets is found out."""
    tally = RecallTally()
    text = "Maria O'Brien-Smith, 617-555-0123, MC 000123456, born 17 May 1960 in Bellows Falls"
    tally.count(MARIA, text, text.replace("Maria", "[NAME]").replace("617-555-0123", "[PHONE]"))
    facts = tally.facts()
    assert facts["name"] == {"stood": 2, "removed": 1, "recall": 0.5}
    assert facts["phone"] == {"stood": 1, "removed": 1, "recall": 1.0}
    assert facts["date"] == {"stood": 1, "removed": 0, "recall": 0.0}
    assert facts["city"] == {"stood": 1, "removed": 0, "recall": 0.0}
