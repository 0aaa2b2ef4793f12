"""Silver rows of one Bundle: however it is read, and whatever columns are asked for, they are the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcairn.core.errors import DataError
from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.features import load_feature_set
from medcairn.features.plan import columns_of, streams_of
from medcairn.features.streams import tables_of
from medcairn.lakehouse.silver.at_once import BundleReader, kind_of
from medcairn.lakehouse.silver.bundle import resources_in
from medcairn.lakehouse.silver.memory import Row, SilverReader
from medcairn.lakehouse.silver.quick import QuickTyper
from medcairn.lakehouse.silver.quick_form import Unusual
from medcairn.lakehouse.silver.typed import Typed
from medcairn.lakehouse.silver.typer import TYPED_RESOURCES, Typer

from .resources import RXNORM, SUBJECT, concept, observation, quantity
from .rich_resources import RICH, odd_resources

Json = dict[str, Any]

STREAMS = streams_of(load_feature_set("clinical_core"))
WANTED = {name: columns_of(name, STREAMS) for name in ("patient", *tables_of(STREAMS))}
ALL, FEW = SilverReader(), SilverReader(WANTED)


def bundle(*resources: Json, **members: Any) -> bytes:
    return text([{"resource": resource} for resource in resources], **members)


def text(entries: list[Json], **members: Any) -> bytes:
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries, **members}).encode()


def sorted_rows(rows: Mapping[str, list[Row]]) -> dict[str, list[str]]:
    return {name: sorted(map(repr, found)) for name, found in rows.items()}


def chosen(rows: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    """Rows with all columns, with those alone that the other reader gives."""
    places = {name: [ALL.columns[name].index(column) for column in FEW.columns[name]] for name in WANTED}
    return {name: [tuple(row[place] for place in places[name]) for row in rows[name]] for name in WANTED}


def outcome(read: Callable[[], Mapping[str, list[Row]]]) -> object:
    """The rows, or what the error says."""
    try:
        return sorted_rows(read())
    except DataError as error:
        return error.fields


@settings(max_examples=150, deadline=None)
@given(drawn=st.lists(st.sampled_from(sorted(RICH)).flatmap(odd_resources), max_size=4))
def test_a_bundle_gives_the_rows_of_its_resources(drawn: list[Json]) -> None:
    resources = [{**resource, "id": f"r{n}"} for n, resource in enumerate(drawn)]
    lines = [json.dumps(resource).encode() for resource in resources]
    given = bundle(*resources)
    for _ in range(2):  # met for the first time, and again
        assert outcome(lambda: ALL.rows_of_bundle(given)) == outcome(lambda: ALL.rows(lines))
        assert outcome(lambda: FEW.rows_of_bundle(given)) == outcome(lambda: chosen(ALL.rows(lines)))


GLUCOSE = observation("2345-7", valueQuantity=quantity(90, "mg/dL"))


@pytest.fixture(scope="module")
def at_once() -> BundleReader:
    """A reader that has met glucose in mg/dL."""
    typers = {name: QuickTyper(Typer(name, {"": ()})) for name in TYPED_RESOURCES}
    typers["Observation"].type([json.dumps(GLUCOSE).encode()], list[Typed]().append)
    return BundleReader({name: kind_of(typer) for name, typer in typers.items()})


def test_what_was_met_before_is_typed_and_what_has_no_quick_form_is_a_text(at_once: BundleReader) -> None:
    patient = {"resourceType": "Patient", "id": "p", "_birthDate": {"id": "x"}, "contained": [{"a": 1.5}]}
    other = {"resourceType": "DocumentReference", "id": "d", "docStatus": "final"}
    again = {**GLUCOSE, "id": "o2", "valueQuantity": quantity(180, "mg/dL")}
    typed, texts = at_once.read(bundle(patient, GLUCOSE, other, again))
    assert {name: [row[-2] for row in rows] for name, rows in typed.items()} == {"Observation": [90.0, 180.0]}
    assert {name: list(map(json.loads, found)) for name, found in texts.items()} == {"Patient": [patient]}


@pytest.mark.parametrize(
    "odd",
    [
        bundle(observation("2345-7", valueQuantity=quantity(90, "g/L"))),
        bundle({**GLUCOSE, "valueQuantity": {"value": "90"}}),
        bundle(GLUCOSE, GLUCOSE),
        bundle({**GLUCOSE, "id": None}),
        bundle({**GLUCOSE, "id": ""}),
        bundle({"resourceType": "DocumentReference"}),
        bundle({"resourceType": "Medication", "id": "m", "code": concept((RXNORM, "6809"))}),
        bundle({"resourceType": "Unheard", "id": "u"}),
        bundle(GLUCOSE, note="é").replace(b"\\u00e9", "é".encode()),
        text([{"fullUrl": "urn:uuid:1", "resource": GLUCOSE}]),
        json.dumps([GLUCOSE]).encode(),
        bundle(GLUCOSE, resourceType="Basket"),
        bundle(GLUCOSE)[:-1],
    ],
)
def test_anything_unusual_is_odd(odd: bytes, at_once: BundleReader) -> None:
    at_once.read(bundle(GLUCOSE))
    with pytest.raises(Unusual):
        at_once.read(odd)


def test_an_error_names_the_position_in_the_bundle() -> None:
    nameless = {"resourceType": "MedicationRequest", "subject": SUBJECT}
    with pytest.raises(DataError, match="no JSON object") as caught:
        ALL.rows_of_bundle(bundle(observation("2345-7"), nameless))
    assert caught.value.fields["position"] == 2


def test_entries_without_a_resource_are_passed_over() -> None:
    given = text([{"request": {"method": "GET"}}, {"resource": None}, {"resource": observation("2345-7")}])
    assert len(resources_in(given)) == 1
    for _ in range(2):
        assert len(ALL.rows_of_bundle(given)["observation"]) == 1


def test_only_the_wanted_columns_and_the_subject_are_there() -> None:
    reader = SilverReader({"observation": ["concept", "available_time"]})
    assert reader.columns == {"observation": ("subject_id", "concept", "available_time")}
    (row,) = reader.rows([json.dumps(observation("2345-7", effectiveDateTime="1970-01-02")).encode()])[
        "observation"
    ]
    assert row == ("p1", "glucose", 86_400_000_000)
    assert list(SilverReader().columns) == list(SILVER_SCHEMAS)
