"""The canary harness: nothing of 18 categories gets out, and the harness sees it when something does."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import pytest

from medcairn.core.errors import DataError, LeakFound
from medcairn.deid.canaries import CanaryReport, Category, canary, run_canaries

from .canary_places import POLICY, places, stage
from .tutorials import tutorial


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> CanaryReport:
    return run_canaries(chain(*places().values()), stage(POLICY), tmp_path_factory.mktemp("canaries"))


def test_none_of_100_000_canaries_gets_out(report: CanaryReport) -> None:
    print(f"canaries: {report.canaries:,} in {report.places:,} places, {report.leak_count} leaks")
    assert report.canaries >= 100_000
    assert report.leak_count == 0
    report.refuse_leaks()


def test_every_category_of_the_regulation_was_planted(report: CanaryReport) -> None:
    assert len(report.planted) == 18
    assert min(report.planted.values()) >= 5_000


def test_most_resources_with_a_canary_left_so_there_was_something_to_search(
    report: CanaryReport,
) -> None:
    assert report.quarantined < report.canaries / 10


def test_canaries_are_on_every_type_of_the_policy() -> None:
    assert set(places()) == set(POLICY.resources)


@pytest.mark.parametrize("category", list(Category))
def test_canaries_of_a_category_differ(category: Category) -> None:
    texts = {canary(category, number).text for number in range(3_000)}
    assert len(texts) == 3_000


def test_a_de_identifier_from_a_tutorial_is_flagged_in_every_category(tmp_path: Path) -> None:
    some = [*places()["Observation"], *places()["Patient"]]
    found = run_canaries(some, tutorial, tmp_path)
    assert found.leak_count > found.canaries / 2
    assert {leak.category for leak in found.leaks} == set(Category)
    with pytest.raises(LeakFound, match="planted identifiers"):
        found.refuse_leaks()


def test_a_pseudonym_that_holds_five_digits_of_a_zip_code_is_no_leak() -> None:
    needles = canary(Category.GEOGRAPHIC, 7).needles
    assert not any(needle in '{"id":"9f01103c"}' for needle in needles)
    assert any(needle in '{"postalcode":"01103"}' for needle in needles)


def test_a_release_that_loses_lines_is_an_error(tmp_path: Path) -> None:
    def lossy(source: Path, output: Path) -> None:
        output.mkdir()
        for path in source.iterdir():
            (output / path.name).write_bytes(b"")

    with pytest.raises(DataError, match="Fewer lines"):
        run_canaries(places()["Patient"][:3], lossy, tmp_path)


def test_the_report_tells_places_and_no_canary(tmp_path: Path) -> None:
    found = run_canaries(places()["Patient"][:40], tutorial, tmp_path)
    text = json.dumps(found.facts()).casefold()
    assert found.leaks
    assert "quorvath" not in text
