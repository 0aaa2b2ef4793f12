"""Features of one Bundle: the same numbers as the batch, to the last bit, and what is refused."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from medcairn.core.canonical import JSON
from medcairn.core.delta import read_delta
from medcairn.core.errors import DataError, MedcairnError
from medcairn.core.files import write_json
from medcairn.core.progress import NoProgress
from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.features import FeatureSet, load_feature_set
from medcairn.features.batch import features_in
from medcairn.features.compute import INDEX_SCHEMA
from medcairn.features.silver_folder import open_silver
from medcairn.lakehouse import build_bronze, build_silver, silver_from_resources
from medcairn.pipeline.online import FeatureService, bundle_features

Json = dict[str, Any]

AT = datetime(2024, 6, 1, 12, tzinfo=UTC)
SUBJECTS = 25
LOINC, SNOMED, RXNORM = (
    "http://loinc.org",
    "http://snomed.info/sct",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
)
LABS = (
    ("2160-0", "mg/dL", 0.3, 4.0),
    ("38483-4", "mg/dL", 0.3, 4.0),
    ("2345-7", "mg/dL", 50.0, 300.0),
    ("15074-8", "mmol/L", 3.0, 17.0),
    ("4548-4", "%", 4.0, 12.0),
    ("718-7", "g/dL", 6.0, 17.0),
    ("2951-2", "mmol/L", 125.0, 150.0),
    ("8867-4", "/min", 40.0, 150.0),
    ("99999-9", "mg/dL", 1.0, 2.0),
)
CONDITIONS = ("44054006", "38341003", "84114007", "13645005", "709044004", "999999")
MEDICINES = ("860975", "314076", "197361", "999999")


class Clinic:
    """Invents the resources of subjects: shuffled, with duplicate times, versions, errors and other units."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def subject(self, id: str) -> list[Json]:
        """Everything about one subject."""
        self._id = id
        born = str(self._random.randint(1930, 2004))
        gender = self._random.choice(["male", "female", "other"])
        resources: list[Json] = [{"resourceType": "Patient", "id": id, "gender": gender, "birthDate": born}]
        resources += [self._encounter(n) for n in range(self._random.randint(0, 6))]
        resources += [self._coded("Condition", n, SNOMED, CONDITIONS) for n in range(6)]
        resources += [self._coded("MedicationRequest", n, RXNORM, MEDICINES) for n in range(5)]
        resources += [self._coded("Procedure", n, SNOMED, CONDITIONS) for n in range(3)]
        for n in range(self._random.randint(5, 60)):
            resources += self._observation(n)
        self._random.shuffle(resources)
        return resources

    def _time(self) -> str:
        """Some of few days, so that times coincide; also after the prediction time."""
        when = AT - timedelta(days=self._random.choice([-9, 0, 1, 5, 29, 30, 31, 89, 200, 364, 366, 700]))
        return (when + timedelta(hours=self._random.choice([-1, 0, 0, 1]))).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _fact(self, resource_type: str, n: int, **members: Any) -> Json:
        prefix = resource_type[:3].lower()
        return {
            "resourceType": resource_type,
            "id": f"{self._id}-{prefix}-{n}",
            "subject": {"reference": f"Patient/{self._id}"},
            **members,
        }

    def _encounter(self, n: int) -> Json:
        start = self._time()
        end = (datetime.fromisoformat(start) + timedelta(hours=self._random.randint(1, 200))).isoformat()
        period = {"start": start, **({"end": end} if self._random.random() < 0.9 else {})}
        code = self._random.choice(["IMP", "EMER", "AMB"])
        status = self._random.choice(["finished", "finished", "planned"])
        return self._fact("Encounter", n, status=status, period=period, **{"class": {"code": code}})

    def _coded(self, resource_type: str, n: int, system: str, codes: Sequence[str]) -> Json:
        coding = [
            {"system": system, "code": self._random.choice(codes)} for _ in range(self._random.randint(1, 2))
        ]
        code = {"coding": coding}
        if resource_type == "Condition":
            return self._fact(
                resource_type, n, code=code, onsetDateTime=self._time()[:10], recordedDate=self._time()
            )
        if resource_type == "Procedure":
            return self._fact(resource_type, n, code=code, status="completed", performedDateTime=self._time())
        supply = {"expectedSupplyDuration": {"value": 30, "unit": "d", "code": "d"}}
        return self._fact(
            resource_type,
            n,
            status="active",
            intent="order",
            medicationCodeableConcept=code,
            authoredOn=self._time(),
            dispenseRequest=supply,
        )

    def _observation(self, n: int) -> list[Json]:
        code, unit, low, high = self._random.choice(LABS)
        found = []
        for version in range(1, self._random.choice([2, 2, 2, 2, 3, 4])):
            value = round(self._random.uniform(low, high), self._random.randint(0, 3))
            observation = self._fact(
                "Observation",
                n,
                meta={"versionId": str(version), "lastUpdated": self._time()},
                status=self._random.choice(["final", "final", "final", "corrected", "entered-in-error"]),
                code={"coding": [{"system": LOINC, "code": code}]},
                effectiveDateTime=self._time(),
                valueQuantity={"value": value, "unit": unit, "code": unit},
            )
            if self._random.random() < 0.5:
                observation["issued"] = self._time()
            found.append(observation)
        if self._random.random() < 0.2:
            found.append({**found[-1]})
        return found


@pytest.fixture(scope="module")
def people() -> Mapping[str, list[Json]]:
    clinic = Clinic(seed=4)
    return {f"s{n:02d}": clinic.subject(f"s{n:02d}") for n in range(SUBJECTS)}


@pytest.fixture(scope="module")
def features() -> FeatureSet:
    return load_feature_set("clinical_core")


@pytest.fixture(scope="module")
def service(features: FeatureSet) -> FeatureService:
    service = FeatureService(features)
    service.warm()
    return service


@pytest.fixture(scope="module")
def lake(people: Mapping[str, list[Json]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The silver tables of all of them."""
    folder = tmp_path_factory.mktemp("lake")
    (folder / "deid").mkdir()
    for resource in (r for resources in people.values() for r in resources):
        with (folder / "deid" / f"{resource['resourceType']}.000.ndjson").open("a") as file:
            file.write(json.dumps(resource) + "\n")
    build_bronze(folder / "deid", folder / "bronze", ingested_at=AT, processes=1)
    build_silver(folder / "bronze", folder / "silver", processes=1)
    return folder / "silver"


def batch(silver: Path, features: FeatureSet, times: Sequence[datetime]) -> Iterator[dict[str, Any]]:
    index = pa.table(
        [[f"s{n:02d}" for n in range(SUBJECTS) for _ in times], [*times] * SUBJECTS], schema=INDEX_SCHEMA
    )
    with open_silver(silver) as tables:
        for part in features_in(tables, index, features, NoProgress()):
            yield from part.to_pylist()


def bundle(resources: Sequence[Json], **members: Any) -> bytes:
    entries = [{"resource": resource} for resource in resources]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries, **members}).encode()


def test_a_bundle_gives_what_the_batch_gives_to_the_last_bit(
    people: Mapping[str, list[Json]], lake: Path, features: FeatureSet, service: FeatureService
) -> None:
    times = [AT, AT - timedelta(days=5), AT - timedelta(days=300)]
    there = 0
    for row in batch(lake, features, times):
        found = service.from_bundle(bundle(people[row["subject_id"]]), row["prediction_time"])
        assert {name: repr(found[name]) for name in features.names} == {
            name: repr(row[name]) for name in features.names
        }
        there += sum(value is not None for value in found.values())
    assert there > SUBJECTS * len(times) * 50


def test_the_order_of_resources_does_not_count_but_among_equal_versions(
    people: Mapping[str, list[Json]], service: FeatureService
) -> None:
    for resources in list(people.values())[:8]:
        numbered = {(r["resourceType"], r["id"], r.get("meta", {}).get("versionId")): r for r in resources}
        once = list(numbered.values())
        expected = service.from_bundle(bundle(once), AT)
        for seed in range(3):
            random.Random(seed).shuffle(once)
            assert service.from_bundle(bundle(once), AT) == expected


def test_silver_in_memory_is_silver_on_disk(people: Mapping[str, list[Json]], lake: Path) -> None:
    for id in ("s03", "s11"):
        tables = silver_from_resources([json.dumps(r).encode() for r in people[id]])
        assert set(tables) == set(SILVER_SCHEMAS)
        for name, table in tables.items():
            there = read_delta(lake / name)
            assert table.equals(there.filter(pc.equal(there.column("subject_id"), id)).combine_chunks())


def test_a_package_names_its_features(features: FeatureSet, tmp_path: Path, service: FeatureService) -> None:
    rows: list[JSON] = [feature.as_json() for feature in features.features]
    spec: dict[str, JSON] = {"feature_set": features.about(), "features": rows}
    write_json(tmp_path / "feature_spec.json", spec)
    resources = Clinic(seed=9).subject("x")
    expected = service.from_bundle(bundle(resources), AT)
    compute = bundle_features(tmp_path)
    assert compute([json.dumps(r).encode() for r in resources], AT) == expected
    assert FeatureService.from_package(tmp_path).from_bundle(json.dumps(resources).encode(), AT) == expected


def glucose(value: float, when: str = "2024-05-01T08:00:00Z", **members: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": "g",
        "status": "final",
        "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": LOINC, "code": "2345-7"}]},
        "effectiveDateTime": when,
        "valueQuantity": {"value": value, "unit": "mg/dL", "code": "mg/dL"},
        **members,
    }


PATIENT: Json = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1950"}
LAST = "glucose_last_365d"


def test_a_later_version_counts_from_when_it_was_known(service: FeatureService) -> None:
    first = glucose(100, issued="2024-05-01T09:00:00Z", meta={"versionId": "1"})
    corrected = glucose(200, issued="2024-05-10T09:00:00Z", meta={"versionId": "2"})
    for resources in ([PATIENT, first, corrected], [corrected, PATIENT, first]):
        data = bundle(resources)
        assert service.from_bundle(data, datetime(2024, 5, 2, tzinfo=UTC))[LAST] == 100.0
        assert service.from_bundle(data, datetime(2024, 5, 11, tzinfo=UTC))[LAST] == 200.0
        assert service.from_bundle(data, datetime(2024, 4, 30, tzinfo=UTC))[LAST] is None


def test_facts_about_somebody_else_do_not_count(service: FeatureService) -> None:
    other = glucose(100, subject={"reference": "Patient/q"})
    assert service.from_bundle(bundle([PATIENT, other]), AT)[LAST] is None


def test_references_to_entries_by_urn_are_followed(service: FeatureService) -> None:
    urn = "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"
    entries = [
        {"fullUrl": urn, "resource": PATIENT},
        {"resource": glucose(100, subject={"reference": urn})},
        {"response": {"status": "200"}},
    ]
    data = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()
    assert service.from_bundle(data, AT)[LAST] == 100.0


def test_a_medication_in_the_bundle_stands_for_its_references(service: FeatureService) -> None:
    code = {"coding": [{"system": RXNORM, "code": "860975"}]}
    request = {
        "resourceType": "MedicationRequest",
        "id": "r",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "authoredOn": "2024-05-20T08:00:00Z",
    }
    plain = [PATIENT, {**request, "medicationCodeableConcept": code}]
    apart = [
        PATIENT,
        {**request, "medicationReference": {"reference": "Medication/m"}},
        {"resourceType": "Medication", "id": "m", "code": code},
    ]
    expected = service.from_bundle(bundle(plain), AT)
    assert expected != service.from_bundle(bundle([PATIENT]), AT)
    assert service.from_bundle(bundle(apart), AT) == expected


SECRET = "Secretperson"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b'{"resourceType":"Bundle","entry":[{"resource":{"id":"Secretperson",}}]}', "not JSON"),
        (b'{"resourceType":"Bundle","entry":"Secretperson"}', "not a FHIR Bundle"),
        (b'{"resourceType":"Patient","id":"Secretperson"}', "not a FHIR Bundle"),
        (b'"Secretperson"', "not a FHIR Bundle"),
        (b'{"resourceType":"Bundle"}', "exactly one Patient"),
        (bundle([]), "exactly one Patient"),
        (bundle([PATIENT, {**PATIENT, "id": SECRET}]), "exactly one Patient"),
        (bundle([PATIENT, {"resourceType": "Observation", "note": SECRET}]), "resourceType and an id"),
        (bundle([PATIENT, {"resourceType": "Basic", "note": SECRET}]), "resourceType and an id"),
        (bundle([PATIENT, {"id": SECRET}]), "resourceType and an id"),
        (b'[{"resourceType":"Patient","id":"p"},"Secretperson"]', "resourceType and an id"),
    ],
)
def test_what_cannot_be_used_is_refused_without_its_text(
    service: FeatureService, data: bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        service.from_bundle(data, AT)
    assert SECRET not in f"{caught.value} {caught.value.fields}"
    assert caught.value.__context__ is None


def test_where_a_resource_at_fault_stands_is_told(service: FeatureService) -> None:
    with pytest.raises(MedcairnError) as caught:
        service.from_bundle(bundle([PATIENT, glucose(5), {"resourceType": "Observation"}]), AT)
    assert caught.value.fields == {"position": 3}


def test_a_prediction_time_without_a_zone_is_refused(service: FeatureService) -> None:
    with pytest.raises(DataError, match="no time zone"):
        service.from_bundle(bundle([PATIENT]), AT.replace(tzinfo=None))


def test_odd_shapes_are_read_as_nothing(service: FeatureService) -> None:
    odd = glucose(100, category="laboratory", valueQuantity={"value": "100"}, interpretation={"coding": []})
    assert service.from_bundle(bundle([PATIENT, odd]), AT)[LAST] is None
