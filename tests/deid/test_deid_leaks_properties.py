"""Whatever is planted is found wherever it stands, and no input makes the scan fail."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcairn.core.progress import NoProgress
from medcairn.deid import safe_harbor, scan
from medcairn.deid.leaks.files import ranges, source_files
from medcairn.deid.leaks.folding import fold, words
from medcairn.deid.leaks.gathering import Gathered, Gatherer
from medcairn.deid.leaks.harvest import Harvester
from medcairn.deid.leaks.hashing import PART, Words, hash_all
from medcairn.deid.leaks.judge import Judge
from medcairn.deid.leaks.locate import Locator
from medcairn.deid.leaks.public import public_words
from medcairn.deid.leaks.sieve import Sieve

PLANTS: dict[str, Callable[[Gatherer, str], None]] = {
    "Roekampf": lambda into, text: into.name(text),
    "Zoë Ångström": lambda into, text: into.full_name(["Zoë"], ["Ångström"]),
    "Bo Liu": lambda into, text: into.full_name(["Bo"], ["Liu"]),
    "1009 Lebsack Throughway Unit 63": lambda into, text: into.street(text),
    "(617) 555-0188": lambda into, text: into.phone(text),
    "janette.roekampf@example.org": lambda into, text: into.email(text),
    "MRN-00123456": lambda into, text: into.identifier(text),
    "999-38-1274": lambda into, text: into.identifier(text),
    "7c1e1c9a-52ab-4c0f-9a51-16e2b3a0d001": lambda into, text: into.resource_id(text),
    "https://ehr.example.org/people/24": lambda into, text: into.url(text),
    "41.641812302900426": lambda into, text: into.coordinate(text),
    "03/07/1961": lambda into, text: into.day("1961-03-07"),
}
WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "in base64": lambda text: base64.b64encode(text.encode()).decode(),
    "in base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "in base64 twice": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "percent-encoded": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "in a JSON text": lambda text: json.dumps({"family": text}),
}
_BORDERS = st.characters(
    codec="utf-8", exclude_categories=("L", "N", "Mn", "Me", "Cf"), exclude_characters="+/-_=%&#\\"
)
ORDINARY = st.text(_BORDERS, max_size=8)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def gathered() -> Gathered:
    into = Gatherer()
    for text, plant in PLANTS.items():
        plant(into, text)
    return into.gathered().settled()


JUDGE = Judge(gathered())
LOCATOR = Locator(JUDGE, safe_harbor())


def found(lines: list[bytes], *, is_json: bool = True) -> tuple[list[int], list[int]]:
    """The lines that the sieve lets through; and those where the locator, given all, finds a hit."""
    sieve = Sieve(JUDGE, public_words(safe_harbor()), is_json=is_json)
    hits = LOCATOR.hits(list(enumerate(lines)), is_json=is_json)
    return sieve.suspects(lines), sorted({line for line, _, _ in hits})


def nested(value: Any, path: list[str | int]) -> Any:
    for step in reversed(path):
        value = {step: value, "resourceType": "Basic"} if isinstance(step, str) else [None] * step + [value]
    return value


@pytest.mark.parametrize("what", PLANTS)
@settings(max_examples=25)
@given(
    before=ORDINARY,
    after=ORDINARY,
    how=st.sampled_from(sorted(WRITTEN)),
    path=st.lists(st.text(max_size=6) | st.integers(0, 3), min_size=1, max_size=6),
    as_key=st.booleans(),
    ascii_only=st.booleans(),
)
def test_a_planted_identifier_is_found_at_any_path_as_value_or_key(
    what: str, before: str, after: str, how: str, path: list[str | int], as_key: bool, ascii_only: bool
) -> None:
    text = f"{before} {WRITTEN[how](what)} {after}"
    value = nested({text: 1} if as_key else text, path)
    line = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8") + b"\n"
    assert found([b'{"a":"b"}\n', line]) == ([1], [1])


@pytest.mark.parametrize("what", PLANTS)
@given(before=ORDINARY, after=ORDINARY)
def test_a_planted_identifier_is_found_in_a_line_of_text(what: str, before: str, after: str) -> None:
    line = f"{before} {what} {after}".replace("\n", " ").encode() + b"\n"
    assert found([line], is_json=False) == ([0], [0])


@given(st.lists(ANY_JSON | st.sampled_from(sorted(PLANTS)), max_size=6), st.booleans())
def test_the_sieve_lets_every_hit_through(values: list[Any], ascii_only: bool) -> None:
    lines = [
        json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass") + b"\n"
        for value in values
    ]
    suspects, hits = found(lines)
    assert set(hits) <= set(suspects)


@given(st.lists(st.binary(max_size=60) | ANY_JSON.map(lambda value: json.dumps(value).encode()), max_size=8))
def test_no_line_makes_harvest_or_search_fail(lines: list[bytes]) -> None:
    whole = [line.replace(b"\n", b" ") + b"\n" for line in lines]
    harvester = Harvester()
    harvester.read(whole)
    harvester.gathered().settled().identifiers()
    for is_json in (True, False):
        found(whole, is_json=is_json)


def test_a_deep_line_is_searched(tmp_path: Path) -> None:
    deep = b'{"a":[' * 5_000 + b'"Roekampf"' + b"]}" * 5_000 + b"\n"
    assert found([deep]) == ([0], [0])


@given(st.lists(st.text(max_size=20), max_size=12))
def test_a_row_of_words_has_the_hash_of_its_words_written_as_one(texts: list[str]) -> None:
    folded = [fold(text).replace("\n", " ") for text in texts]
    buffer = Words(PART.join(text.encode("utf-8", "replace") for text in folded))
    expected = [word for text in folded for word in _words_in_bytes(text)]
    _, hashes = buffer.rows(1, buffer.all())
    assert hashes.tolist() == hash_all(expected).tolist()


def _words_in_bytes(folded: str) -> list[str]:
    """As the buffer sees it: what is not ASCII belongs to words, as ``fold`` leaves only letters there."""
    return words(folded.encode("utf-8", "replace").decode("utf-8"))


def test_the_report_is_the_same_for_any_number_of_processes(tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    people = [
        {"resourceType": "Patient", "id": f"person-{n:06d}", "name": [{"family": f"Fam{n}x"}]}
        for n in range(900)
    ]
    (source / "Patient.ndjson").write_text("".join(json.dumps(person) + "\n" for person in people))
    for name in "abc":
        text = (f'{{"id":"{name}{n}","x":"Fam{n}x","on":"2020-01-01"}}\n' for n in range(600))
        (out / f"{name}.ndjson").write_text("".join(text))
    assert list(ranges(source_files(source)))
    one, two = scan(source, out, processes=1), scan(source, out, processes=2, progress=NoProgress())
    assert one == two
    assert one.hit_count == 1800
