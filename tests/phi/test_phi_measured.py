"""What is promised of finding and of sparing, on fewer texts than the README's table was made from."""

from __future__ import annotations

import pytest

from medcairn.phi import PhiClass, PhiDetector
from phi.clean import clean, findings
from phi.identifiers import bare, planted
from phi.recall import BARE, found, refused

FLOOR = {PhiClass.NAME: 0.93, PhiClass.DATE: 0.98}


@pytest.mark.parametrize("phi_class", PhiClass)
def test_recall_by_class(phi_class: PhiClass) -> None:
    hits = sum(map(found, planted(phi_class, 300, seed=11)))
    assert hits >= 300 * FLOOR.get(phi_class, 0.99)


@pytest.mark.parametrize("phi_class", BARE)
def test_numbers_and_words_alone_are_missed_by_design(phi_class: PhiClass) -> None:
    assert sum(map(refused, bare(phi_class, 200))) <= 4


def test_clean_texts_and_artifacts_pass() -> None:
    """At most one of ten thousand: none of these three thousand."""
    detector = PhiDetector(b"a key of the clean measurement")
    refusals = [one for one in clean(3_000, seed=12) if findings(one, detector)]
    assert refusals == []
