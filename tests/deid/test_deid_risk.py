"""The risk report: published tables, the same numbers in plain Python, and what a page may hold."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcairn.core.artifacts import Zone, draft_artifact
from medcairn.core.errors import DataError, UsageError
from medcairn.core.progress import NoProgress
from medcairn.deid.risk import (
    DEFAULT_QUASI_IDENTIFIERS,
    QUASI_IDENTIFIERS,
    RISK_JSON,
    RISK_PAGE,
    SENSITIVE_ATTRIBUTES,
    RiskReport,
    assess_risk,
)
from medcairn.deid.risk.attributes import quasi_identifier, sensitive_attribute
from medcairn.deid.risk.stage import measure_folder

from .clinic import AS_OF, Clinic, observation, patient

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"


def omb(name: str, *codes: str) -> dict[str, Any]:
    """US Core race or ethnicity."""
    parts = [{"url": "ombCategory", "valueCoding": {"code": code}} for code in codes]
    return {"url": US_CORE + name, "extension": [*parts]}


def person(number: int, birth: str | None = None, gender: str | None = None, **more: Any) -> dict[str, Any]:
    """A de-identified patient; ``race``, ``area`` and ``ethnicity`` as short words."""
    resource: dict[str, Any] = {"resourceType": "Patient", "id": f"{number:032x}"}
    extension = [omb(name, more.pop(name)) for name in ("race", "ethnicity") if more.get(name)]
    more = {key: value for key, value in more.items() if value is not None}
    if "area" in more:
        resource["address"] = [{"state": "MA"}, {"postalCode": more.pop("area")}]
    if extension:
        resource["extension"] = extension
    return resource | ({"birthDate": birth} if birth else {}) | ({"gender": gender} if gender else {}) | more


def problem(number: int, code: str) -> dict[str, Any]:
    """A condition of a person."""
    return {
        "resourceType": "Condition",
        "id": f"{number:032x}",
        "subject": {"reference": f"Patient/{number:032x}"},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": code}]},
    }


class Release:
    """A folder of de-identified NDJSON."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "deid"
        self.folder.mkdir(parents=True)
        self.out = root / "risk"

    def add(self, *resources: Mapping[str, Any], file: str | None = None) -> Release:
        """Append resources to the files of their types."""
        for resource in resources:
            with (self.folder / (file or f"{resource['resourceType']}.000.ndjson")).open("a") as stream:
                stream.write(json.dumps(resource) + "\n")
        return self

    def assess(self, *names: str, sensitive: Sequence[str] = ("condition",)) -> RiskReport:
        """The numbers alone, without record and page."""
        chosen = [quasi_identifier(name) for name in names or DEFAULT_QUASI_IDENTIFIERS]
        guarded = [sensitive_attribute(name) for name in sensitive]
        return measure_folder(self.folder, chosen, guarded, spill=self.root / "spill", progress=NoProgress())

    def write(self, name: str = "A study") -> RiskReport:
        """Record and page."""
        return assess_risk(self.folder, self.out, as_of=AS_OF, name=name)


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """An empty release."""
    return Release(tmp_path)


SWEENEY = [
    ("Black", "1965", "male", "0214", "short breath"),
    ("Black", "1965", "male", "0214", "chest pain"),
    ("Black", "1965", "female", "0213", "hypertension"),
    ("Black", "1965", "female", "0213", "hypertension"),
    ("Black", "1964", "female", "0213", "obesity"),
    ("Black", "1964", "female", "0213", "chest pain"),
    ("White", "1964", "male", "0213", "chest pain"),
    ("White", "1964", "male", "0213", "obesity"),
    ("White", "1964", "male", "0213", "short breath"),
    ("White", "1967", "male", "0213", "chest pain"),
    ("White", "1967", "male", "0213", "chest pain"),
]
"""After the example of 2-anonymity in L. Sweeney, k-anonymity: a model for protecting privacy (2002)."""

INPATIENTS = [
    *(("1", "13053", problem_) for problem_ in ("heart", "heart", "viral", "viral")),
    *(("2", "1485", problem_) for problem_ in ("cancer", "heart", "viral", "viral")),
    *(("3", "13053", problem_) for problem_ in ("cancer", "cancer", "cancer", "cancer")),
]
"""After the 4-anonymous inpatients of A. Machanavajjhala et al., l-diversity: privacy beyond k-anonymity
(2007): the last class gives cancer away."""

DIVERSE = [
    *(("1", "1305", problem_) for problem_ in ("heart", "viral", "cancer", "cancer")),
    *(("2", "1485", problem_) for problem_ in ("cancer", "heart", "viral", "viral")),
    *(("3", "1306", problem_) for problem_ in ("heart", "viral", "cancer", "cancer")),
]
"""After the 3-diverse version there."""


def test_sweeneys_table_is_2_anonymous(release: Release) -> None:
    for number, (race, birth, gender, area, disease) in enumerate(SWEENEY):
        release.add(person(number, birth, gender, race=race, area=area), problem(number, disease))
    report = release.assess("race", "birth_year", "gender", "postal_area")
    assert (report.subjects, report.classes, report.k, report.sample_uniques) == (11, 5, 2, 0)
    assert report.sizes == {2: 4, 3: 1}
    assert report.below == {2: 0, 5: 11, 11: 11, 20: 11}
    assert report.largest_risk == 0.5
    assert report.average_risk == pytest.approx(5 / 11)
    (diversity,) = report.diversities
    assert (diversity.l, diversity.values) == (1, 4)
    assert diversity.below == {2: 4, 3: 8}  # hypertension twice, chest pain twice; then two pairs of two
    assert (diversity.classes_that_tell, diversity.subjects_told) == (2, 4)


def test_sweeneys_table_by_contribution(release: Release) -> None:
    """By hand: without the year of birth there are three classes, without any other still five."""
    for number, (race, birth, gender, area, _) in enumerate(SWEENEY):
        release.add(person(number, birth, gender, race=race, area=area))
    report = release.assess("race", "birth_year", "gender", "postal_area")
    found = {one.name: one for one in report.contributions}
    assert {name: one.values for name, one in found.items()} == {
        "race": 2, "birth_year": 3, "gender": 2, "postal_area": 2,
    }  # fmt: skip
    classes = {name: round(one.average_risk_without * 11) for name, one in found.items()}
    assert classes == {"race": 5, "birth_year": 3, "gender": 5, "postal_area": 5}
    assert all(one.missing == one.uniques_alone == one.uniques_without == 0 for one in found.values())


@pytest.mark.parametrize(("table", "least", "tells"), [(INPATIENTS, 1, 1), (DIVERSE, 3, 0)])
def test_the_tables_of_l_diversity(
    release: Release, table: Sequence[tuple[str, str, str]], least: int, tells: int
) -> None:
    for number, (age, area, disease) in enumerate(table):
        release.add(person(number, f"195{age}", area=area), problem(number, disease))
    report = release.assess("birth_year", "postal_area")
    assert (report.k, report.classes) == (4, 3)
    (diversity,) = report.diversities
    assert (diversity.l, diversity.classes_that_tell) == (least, tells)


def test_a_table_by_hand(release: Release) -> None:
    """Six people: two alike, one without a gender (a value of its own), two alike, one alone."""
    release.add(
        person(1, "1950", "female"),
        person(2, "1950", "female"),
        person(3, "1950"),
        person(4, "1961", "male"),
        person(5, "1961", "male"),
        person(6, "1977", "male"),
    )
    report = release.assess("birth_year", "gender", sensitive=())
    assert report.facts() == {
        "subjects": 6,
        "classes": 4,
        "k": 1,
        "sample_uniques": {"subjects": 2, "share": 0.333333},
        "prosecutor_risk": {"largest": 1.0, "average": 0.666667},
        "class_sizes": [{"size": 1, "classes": 2}, {"size": 2, "classes": 2}],
        "below": {
            "2": {"subjects": 2, "share": 0.333333},
            "5": {"subjects": 6, "share": 1.0},
            "11": {"subjects": 6, "share": 1.0},
            "20": {"subjects": 6, "share": 1.0},
        },
        "quasi_identifiers": [
            {
                "name": "birth_year",
                "values": 3,
                "missing": 0,
                "uniques_alone": 1,
                "uniques_without": 1,
                "average_risk_without": 0.5,
            },
            {
                "name": "gender",
                "values": 2,
                "missing": 1,
                "uniques_alone": 1,
                "uniques_without": 1,
                "average_risk_without": 0.5,
            },
        ],
        "sensitive": [],
    }


def test_a_single_quasi_identifier_leaves_one_class_when_it_goes(release: Release) -> None:
    release.add(person(1, gender="male"), person(2, gender="female"))
    (one,) = release.assess("gender", sensitive=()).contributions
    assert (one.uniques_alone, one.uniques_without, one.average_risk_without) == (2, 0, 0.5)


def test_years_may_be_put_into_bands(release: Release) -> None:
    release.add(*(person(number, str(1950 + number)) for number in range(10)))
    assert release.assess("birth_year", sensitive=()).sample_uniques == 10
    assert release.assess("birth_year:5", sensitive=()).sizes == {5: 2}
    assert release.assess("birth_year:10", sensitive=()).k == 10


def test_where_each_attribute_is_read(release: Release) -> None:
    """Two people who differ in one attribute alone are told apart by it alone."""
    twins: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "birth_year": ({"birthDate": "1950"}, {"birthDate": "1951"}),
        "gender": ({"gender": "male"}, {"gender": "other"}),
        "birth_sex": (
            {"extension": [{"url": US_CORE + "birthsex", "valueCode": "F"}]},
            {"extension": [{"url": US_CORE + "birthsex", "valueCode": "M"}]},
        ),
        "postal_area": ({"address": [{"postalCode": "021"}]}, {"address": [{}]}),
        "state": ({"address": [{"state": "MA"}]}, {"address": [{"state": "VT"}]}),
        "race": ({"extension": [omb("race", "1", "2")]}, {"extension": [omb("race", "2")]}),
        "ethnicity": ({"extension": [omb("ethnicity", "1")]}, {}),
        "marital_status": ({"maritalStatus": {"coding": [{"code": "M"}]}}, {"maritalStatus": {}}),
        "language": ({"communication": [{"language": {"coding": [{"code": "en"}]}}]}, {"communication": []}),
        "deceased": ({"deceasedBoolean": True}, {"deceasedBoolean": False}),
        "death_year": ({"deceasedDateTime": "2001-02-03"}, {"deceasedDateTime": "2002-02-03T00:00:00Z"}),
    }
    assert {*twins, "first_year", "last_year"} == set(QUASI_IDENTIFIERS)
    for place, (name, (one, two)) in enumerate(twins.items()):
        pair = Release(release.root / str(place))
        pair.add({**person(1), **one}, {**person(2), **two})
        found = {str(c.name): c.uniques_alone for c in pair.assess(*twins, sensitive=()).contributions}
        assert found.pop(name) == 2, name
        also = {"deceased": 0} if name == "death_year" else {}
        assert all(count == also.get(other, 0) for other, count in found.items()), name


def test_the_orders_of_race_codes_are_one_value(release: Release) -> None:
    release.add(
        {**person(1), "extension": [omb("race", "1", "2")]},
        {**person(2), "extension": [omb("race", "2", "1")]},
    )
    assert release.assess("race", sensitive=()).k == 2


def test_first_and_last_year_come_from_all_records(release: Release) -> None:
    release.add(person(1), person(2), person(3))
    release.add(
        {**observation("o1", "2011-01-01T00:00:00Z", f"{1:032x}")},
        {**observation("o2", "2015-06-01", f"{2:032x}")},
        {
            "resourceType": "Encounter",
            "id": "e",
            "subject": {"reference": f"Patient/{2:032x}"},
            "period": {"start": "2011-03-04T00:00:00Z"},
        },
    )
    first, last = release.assess("first_year", "last_year", sensitive=()).contributions
    assert (first.values, first.missing, first.uniques_alone) == (1, 1, 1)
    assert (last.values, last.missing, last.uniques_alone) == (2, 1, 3)


def test_files_in_numbered_parts_and_a_subject_twice(release: Release) -> None:
    release.add(person(1, "1950"), file="Patient.000.ndjson")
    release.add(person(2, "1951"), person(1, "1950"), file="Patient.001.ndjson")
    (release.folder / "Patient.002.ndjson").touch()
    assert release.assess().subjects == 2


def test_a_sensitive_value_is_the_set_of_all_codes(release: Release) -> None:
    release.add(*(person(number) for number in range(4)))
    release.add(
        problem(0, "a"), problem(0, "b"), problem(1, "b"), problem(1, "a"), problem(1, "a"), problem(2, "a")
    )
    (diversity,) = release.assess("gender").diversities
    assert (diversity.values, diversity.l, diversity.classes_that_tell) == (2, 3, 0)  # {a, b}, {a}, {}
    release.add(problem(3, "a"))
    (diversity,) = release.assess("gender").diversities
    assert (diversity.l, diversity.classes_that_tell, diversity.subjects_told) == (2, 1, 4)


def test_every_sensitive_attribute_can_be_measured(release: Release) -> None:
    release.add(person(1, "1950", "male"), person(2, "1950", "female"))
    report = release.assess("birth_year", sensitive=SENSITIVE_ATTRIBUTES)
    found = {str(one.name): one for one in report.diversities}
    assert set(found) == set(SENSITIVE_ATTRIBUTES)
    assert (found["gender"].l, found["gender"].values) == (2, 2)
    assert (found["medication"].l, found["medication"].values, found["medication"].classes_that_tell) == (
        1,
        0,
        0,
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, "1950", "1951", "1962"]),
            st.sampled_from([None, "male", "female"]),
            st.sampled_from([None, "021", "000"]),
            st.frozensets(st.sampled_from(["a", "b", "c"]), max_size=2),
        ),
        min_size=1,
        max_size=25,
    )
)
def test_the_same_numbers_in_plain_python(
    tmp_path_factory: pytest.TempPathFactory,
    people: list[tuple[str | None, str | None, str | None, frozenset[str]]],
) -> None:
    release = Release(tmp_path_factory.mktemp("release"))
    for number, (birth, gender, area, codes) in enumerate(people):
        release.add(
            person(number, birth, gender, area=area), *(problem(number, code) for code in sorted(codes))
        )
    report = release.assess("birth_year", "gender", "postal_area")

    sizes = Counter(row[:3] for row in people)
    assert report.sizes == Counter(sizes.values())
    assert report.k == min(sizes.values())
    assert report.average_risk == pytest.approx(sum(1 / sizes[row[:3]] for row in people) / len(people))
    for limit, count in report.below.items():
        assert count == sum(sizes[row[:3]] < limit for row in people)
    for place, one in enumerate(report.contributions):
        alone = Counter(row[place] for row in people)
        rest = Counter(tuple(value for at, value in enumerate(row[:3]) if at != place) for row in people)
        assert one.values == len(set(alone) - {None})
        assert one.missing == alone[None]
        assert one.uniques_alone == sum(count == 1 for count in alone.values())
        assert one.uniques_without == sum(count == 1 for count in rest.values())
        assert one.average_risk_without == pytest.approx(len(rest) / len(people))
    members: dict[object, list[frozenset[str]]] = defaultdict(list)
    for row in people:
        members[row[:3]].append(row[3])
    (diversity,) = report.diversities
    assert diversity.l == min(len(set(values)) for values in members.values())
    for limit, count in diversity.below.items():
        assert count == sum(len(values) for values in members.values() if len(set(values)) < limit)
    tell = [values for values in members.values() if len(values) > 1 and frozenset.intersection(*values)]
    assert (diversity.classes_that_tell, diversity.subjects_told) == (len(tell), sum(map(len, tell)))


class _Page(HTMLParser):
    """The text of a page, and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.sources = "", []  # type: ignore[var-annotated]

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        self.sources += [value for name, value in attrs if name in ("src", "href")]


class TestWhatIsWritten:
    """A record and a page, of counts."""

    def test_the_page_and_the_record_say_the_same_and_hold_no_value(self, release: Release) -> None:
        for number in range(30):
            release.add(person(number, str(1931 + number % 7), "female", area="971", race="zz-race"))
            release.add(problem(number, "44054006"))
        report = release.write("Diabetes study")
        written = (release.out / RISK_JSON).read_text()
        assert json.loads(written) == report.facts()
        page = _Page()
        page.feed((release.out / RISK_PAGE).read_text())
        assert "Verdict: k = 4" in page.text
        assert "Diabetes study" in page.text
        assert "2025-06-30" in page.text
        assert "Model" not in page.text
        assert all((source or "").startswith("data:") for source in page.sources)
        for value in ("1931", "971", "zz-race", "44054006", f"{3:032x}", "female"):
            assert value not in written
            assert value not in page.text
        assert {path.name for path in release.out.iterdir()} == {RISK_JSON, RISK_PAGE}

    def test_the_same_input_gives_the_same_bytes(self, release: Release) -> None:
        release.add(*(person(number, str(1950 + number % 3)) for number in range(9)))
        release.write()
        first = {path.name: path.read_bytes() for path in release.out.iterdir()}
        release.write()
        assert {path.name: path.read_bytes() for path in release.out.iterdir()} == first

    def test_the_day_comes_from_the_manifest(self, tmp_path: Path) -> None:
        with draft_artifact(tmp_path / "deid", kind="deid", zone=Zone.DEIDENTIFIED) as draft:
            (draft.folder / "Patient.ndjson").write_text(json.dumps(person(1)) + "\n")
            draft.facts["as_of"] = "2024-02-29"
        assess_risk(tmp_path / "deid", tmp_path / "risk")
        assert "2024-02-29" in (tmp_path / "risk" / RISK_PAGE).read_text()


class TestRefusals:
    """What cannot be assessed."""

    @pytest.mark.parametrize(
        "names", [["shoe_size"], ["gender", "gender"], ["gender:5"], ["birth_year:0"], ["first_year:x"]]
    )
    def test_names_that_are_not_known(self, release: Release, names: list[str]) -> None:
        with pytest.raises(UsageError):
            assess_risk(release.add(person(1)).folder, release.out, quasi_identifiers=names, as_of=AS_OF)
        with pytest.raises(UsageError):
            assess_risk(release.folder, release.out, sensitive=["shoe_size"], as_of=AS_OF)
        assert not release.out.exists()

    def test_no_quasi_identifier(self, release: Release) -> None:
        with pytest.raises(UsageError):
            assess_risk(release.add(person(1)).folder, release.out, quasi_identifiers=(), as_of=AS_OF)

    def test_no_patients(self, release: Release) -> None:
        with pytest.raises(UsageError):
            release.assess()
        (release.folder / "Patient.ndjson").write_text("{}\n")
        with pytest.raises(DataError):
            release.assess()

    def test_no_day(self, release: Release) -> None:
        with pytest.raises(UsageError):
            assess_risk(release.add(person(1)).folder, release.out)

    def test_not_into_the_release_itself(self, release: Release) -> None:
        with pytest.raises(UsageError):
            assess_risk(release.add(person(1)).folder, release.folder, as_of=AS_OF)

    def test_a_broken_file_is_named_by_no_value(self, release: Release) -> None:
        release.add(person(1))
        (release.folder / "Patient.001.ndjson").write_text('{"id": "Jane Doe", "birthDate": [1, "Jane"\n')
        with pytest.raises(DataError) as broken:
            release.write()
        assert "Jane" not in str(broken.value)
        assert broken.value.__context__ is None
        assert {path.name for path in release.root.iterdir()} == {"deid", "risk"}
        assert not any(release.out.iterdir())


def test_the_output_of_the_stage_can_be_assessed(clinic: Clinic, tmp_path: Path) -> None:
    for number in range(6):
        clinic.add(
            patient(f"p{number}", gender="male", birthDate=f"19{50 + number // 3}-05-17"),
            observation(f"o{number}", f"201{number // 3}-03-04", f"p{number}"),
        )
    released = clinic.release()
    report = assess_risk(released.folder, tmp_path / "risk", as_of=date(2025, 6, 30))
    assert (report.subjects, report.sizes) == (6, {3: 2})
