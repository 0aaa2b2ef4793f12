"""Each method of ms-compat, and the order in which rules decide."""

from __future__ import annotations

import base64
import hashlib
import hmac
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from medcairn.core.errors import DataError
from medcairn.deid.ms_compat import anonymize
from medcairn.deid.ms_compat.dates import shift_days

from .ms_rules import AS_OF, PARTIAL, applied, configured, labels, rule

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "example",
    "name": [{"use": "official", "family": "Quill", "given": ["Ada", "Bea"]}, {"family": "Rook"}],
    "birthDate": "1980-03-01",
    "address": [{"city": "Elsewhere", "state": "MA", "postalCode": "02139"}],
}
ALL_DATES = rule("nodesByType('dateTime')", "dateShift")


def digest(text: str) -> str:
    return hmac.new(b"123", text.encode(), hashlib.sha256).hexdigest()


BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "id": "b",
    "entry": [
        {"fullUrl": "urn:a", "resource": PATIENT},
        {
            "resource": {
                "resourceType": "Condition",
                "id": "c",
                "contained": [{"resourceType": "Patient", "id": "inner", "birthDate": "1980-03-01"}],
            }
        },
    ],
}


class TestRedact:
    def test_removes_an_element_with_all_below(self) -> None:
        assert applied(PATIENT, rule("Patient.name", "redact")).keys() == PATIENT.keys() - {"name"}

    def test_a_kept_part_survives_a_redacted_whole_when_it_comes_first(self) -> None:
        keep, drop = rule("Patient.name.family", "keep"), rule("nodesByType('HumanName')", "redact")
        assert applied(PATIENT, keep, drop)["name"] == [{"family": "Quill"}, {"family": "Rook"}]
        assert "name" not in applied(PATIENT, drop, keep)

    @pytest.mark.parametrize(
        ("value", "partial", "left"),
        [
            ("1980-03-01", True, "1980"),
            ("1980-03-01", False, None),
            ("1980", True, "1980"),
            ("1936-09-05", True, "1936"),  # 89 today
            ("1935-09-05", True, None),  # 90 today
            ("1935-09-06", True, "1935"),  # 90 tomorrow
            ("last spring", True, None),
            ("0000-01-01", True, None),
        ],
    )
    def test_dates(self, value: str, partial: bool, left: str | None) -> None:
        found = applied(
            {"resourceType": "Patient", "birthDate": value},
            rule("nodesByType('date')", "redact"),
            enablePartialDatesForRedact=partial,
        )
        assert found.get("birthDate") == left

    @pytest.mark.parametrize(
        ("years", "partial", "left"),
        [(89, True, 89), (90, True, None), (12, False, None), (89.5, True, None)],
    )
    def test_ages(self, years: float, partial: bool, left: int | None) -> None:
        resource = {"resourceType": "Condition", "onsetAge": {"value": years}, "id": "c"}
        found = applied(resource, rule("nodesByType('Age')", "redact"), enablePartialAgesForRedact=partial)
        assert found.get("onsetAge", {}).get("value") == left

    @pytest.mark.parametrize(
        ("code", "left"), [("02139", "02100"), ("03601", "00000"), ("02139-1234", "02100-0000"), ("02", "02")]
    )
    def test_zip_codes(self, code: str, left: str) -> None:
        resource = {"resourceType": "Patient", "address": [{"postalCode": code}]}
        rules = rule("nodesByType('Address')", "redact")
        assert applied(resource, rules, **PARTIAL)["address"] == [{"postalCode": left}]
        assert labels(resource, rules, **PARTIAL) == ["ABSTRED"]
        assert applied(resource, rules) == {"resourceType": "Patient"}

    def test_extensions_of_primitives_go_with_them(self) -> None:
        resource = PATIENT | {"_birthDate": {"extension": [{"url": "urn:x", "valueString": "secret"}]}}
        assert "_birthDate" not in applied(resource, rule("Patient.birthDate", "redact"))
        only = applied(resource, rule("nodesByType('Extension')", "redact"))
        assert only == PATIENT

    def test_gaps_in_a_list_of_primitives_close_together(self) -> None:
        extension = {"extension": [{"url": "urn:x", "valueCode": "c"}]}
        resource = {
            "resourceType": "Patient",
            "name": [{"given": ["A", None, "C"], "_given": [None, extension, None]}],
        }
        assert applied(resource, rule("Patient.active", "keep")) == resource


class TestDateShift:
    def test_the_shift_is_folded_from_id_and_key(self) -> None:
        assert shift_days("example", "123") == 41
        assert applied(PATIENT, rule("Patient.birthDate", "dateshift"))["birthDate"] == "1980-04-11"

    def test_a_hashed_id_gives_another_shift(self) -> None:
        hashed = rule("Resource.id", "cryptoHash")
        found = applied(PATIENT, hashed, rule("Patient.birthDate", "dateShift"))
        assert (
            found["birthDate"] == "1980-02-10"
        )  # as in that tool's own result for Account/example: -20 days

    def test_scope_file_takes_the_name_for_the_id(self) -> None:
        shifted = rule("Patient.birthDate", "dateShift")
        found = [
            applied(PATIENT | {"id": name}, shifted, prefix="Patient.ndjson", dateShiftScope="file")
            for name in ("a", "b")
        ]
        assert found[0]["birthDate"] == found[1]["birthDate"] != PATIENT["birthDate"]

    def test_a_fixed_offset(self) -> None:
        found = applied(PATIENT, rule("Patient.birthDate", "dateShift"), dateShiftFixedOffsetInDays=-2)
        assert found["birthDate"] == "1980-02-28"

    @pytest.mark.parametrize(
        ("value", "left"),
        [
            ("2001-01-01T10:11:12.345+05:30", "2001-01-08T00:00:00.000+05:30"),
            ("2001-01-01T10:11:12Z", "2001-01-08T00:00:00Z"),
            ("2001-01-01T10:11", "2001-01-08"),
            ("2001-01-01Z", "2001-01-08"),
            ("2001-01", "2001"),
            ("1930-01-01", None),
            ("2001-02-30", None),
            ("9999-12-31", None),
            ("soon", None),
        ],
    )
    def test_forms_of_dates(self, value: str, left: str | None) -> None:
        resource = {"resourceType": "Observation", "effectiveDateTime": value}
        found = applied(resource, ALL_DATES, dateShiftFixedOffsetInDays=7, **PARTIAL)
        assert found.get("effectiveDateTime") == left

    def test_other_types_are_left_alone(self) -> None:
        assert applied(PATIENT, rule("Patient.name", "dateShift")) == PATIENT


class TestCryptoHash:
    @pytest.mark.parametrize(
        ("reference", "hashed"),
        [
            ("Patient/23", f"Patient/{digest('23')}"),
            ("Patient/23/_history/7", f"Patient/{digest('23')}/_history/7"),
            ("https://example.org/fhir/Patient/23", f"https://example.org/fhir/Patient/{digest('23')}"),
            ("#inside", f"#{digest('inside')}"),
            (
                "urn:uuid:04121321-4af5-424c-a0e1-ed3aab1c349d",
                f"urn:uuid:{digest('04121321-4af5-424c-a0e1-ed3aab1c349d')}",
            ),
            ("urn:oid:1.2.3", f"urn:oid:{digest('1.2.3')}"),
            ("Patient?identifier=7", digest("Patient?identifier=7")),
            ("https://my-host/Patient/23", digest("https://my-host/Patient/23")),
            ("Nothing/23", digest("Nothing/23")),
        ],
    )
    def test_of_a_reference_only_the_id(self, reference: str, hashed: str) -> None:
        resource = {"resourceType": "Observation", "subject": {"reference": reference}}
        found = applied(resource, rule("nodesByType('Reference').reference", "cryptoHash"))
        assert found["subject"] == {"reference": hashed}

    def test_of_other_values_the_whole(self) -> None:
        assert applied(PATIENT, rule("Resource.id", "cryptoHash"))["id"] == digest("example")
        found = applied({"resourceType": "Patient", "active": True}, rule("Patient.active", "cryptoHash"))
        assert found["active"] == digest("true")


class TestEncrypt:
    def test_the_key_opens_it_again(self) -> None:
        found = applied(PATIENT, rule("Patient.name.family", "encrypt"))["name"]
        data = base64.b64decode(found[0]["family"])
        opener = Cipher(algorithms.AES(b"0123456789abcdef"), modes.CBC(data[:16])).decryptor()
        unpadder = PKCS7(128).unpadder()
        text = unpadder.update(opener.update(data[16:]) + opener.finalize()) + unpadder.finalize()
        assert text == b"Quill"

    def test_the_same_again_but_not_for_equal_values_elsewhere(self) -> None:
        twins = PATIENT | {"name": [{"family": "Quill"}, {"family": "Quill"}]}
        encrypted = rule("Patient.name.family", "encrypt")
        first = applied(twins, encrypted)["name"]
        assert first == applied(twins, encrypted)["name"]
        assert first[0] != first[1]
        assert labels(twins, encrypted) == ["MASKED"]


class TestSubstitute:
    def test_a_primitive(self) -> None:
        found = applied(PATIENT, rule("Patient.address.city", "substitute", replaceWith="Anytown"))
        assert found["address"][0]["city"] == "Anytown"

    @pytest.mark.parametrize(
        ("path", "value", "left"), [("Patient.active", True, True), ("Patient.multipleBirth", 3, 3)]
    )
    def test_values_that_are_no_text(self, path: str, value: object, left: object) -> None:
        resource = {"resourceType": "Patient", "active": False, "multipleBirthInteger": 2}
        found = applied(resource, rule(path, "substitute", replaceWith=value))
        assert left in (found["active"], found["multipleBirthInteger"])

    def test_an_object_takes_the_place_of_all_parts(self) -> None:
        found = applied(
            PATIENT, rule("Patient.name", "substitute", replaceWith={"family": "X", "given": ["Y"]})
        )
        assert found["name"] == [{"family": "X", "given": ["Y"]}] * 2

    def test_parts_decided_before_stay(self) -> None:
        found = applied(
            PATIENT,
            rule("Patient.name.given[0]", "keep"),
            rule("Patient.name", "substitute", replaceWith={"family": "X"}),
        )
        assert found["name"] == [{"family": "X", "given": ["Ada"]}, {"family": "X"}]

    def test_another_choice_of_a_value(self) -> None:
        resource = {
            "resourceType": "Observation",
            "component": [{"code": {"text": "c"}, "valueQuantity": {"value": 1}}],
        }
        given = {"code": {"text": "d"}, "valueString": "none"}
        found = applied(resource, rule("Observation.component", "substitute", replaceWith=given))
        assert found["component"] == [given]

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("Patient.name", "John"),
            ("Patient.name", {"banana": 1}),
            ("Patient.birthDate", {"a": 1}),
            ("Patient.multipleBirth", "two"),
        ],
    )
    def test_a_substitute_of_another_kind_is_an_error(self, path: str, value: object) -> None:
        resource = PATIENT | {"multipleBirthInteger": 2}
        with pytest.raises(DataError, match="cannot be applied"):
            applied(resource, rule(path, "substitute", replaceWith=value))


class TestPerturb:
    @staticmethod
    def _value(value: object, **settings: object) -> Any:
        resource = {"resourceType": "Observation", "id": "o", "valueQuantity": {"value": value, "unit": "kg"}}
        found = applied(
            resource, rule("Observation.value", "perturb", **settings), rule("Observation.value", "redact")
        )
        assert found["valueQuantity"]["unit"] == "kg", "the other parts of a quantity are kept"
        return found["valueQuantity"]["value"]

    def test_noise_lies_in_its_range_and_is_the_same_again(self) -> None:
        found = self._value(100, span=6, roundTo=3)
        assert 97 <= found <= 103
        assert found == self._value(100, span=6, roundTo=3)
        assert -found.as_tuple().exponent == 3
        assert 90 <= self._value(100, span=0.2, rangeType="proportional") <= 110
        assert self._value(Decimal("1.25"), span=0, roundTo=1) == Decimal("1.2"), "half goes to even"

    def test_it_differs_between_resources(self) -> None:
        perturbed = rule("nodesByType('decimal')", "perturb", span=1000, roundTo=6)
        drawn = {
            applied({"resourceType": "Observation", "id": str(i), "valueQuantity": {"value": 5}}, perturbed)[
                "valueQuantity"
            ]["value"]
            for i in range(50)
        }
        assert len(drawn) == 50
        assert min(drawn) < -300
        assert max(drawn) > 300

    def test_whole_numbers_stay_whole_and_in_range(self) -> None:
        resource = {"resourceType": "Patient", "telecom": [{"rank": 1}], "multipleBirthInteger": 2, "id": "p"}
        rules = [rule("nodesByType('positiveInt')", "perturb", span=1000)]
        ranks = [applied(resource | {"id": str(i)}, *rules)["telecom"][0]["rank"] for i in range(20)]
        assert all(isinstance(rank, int) and rank >= 1 for rank in ranks)

    def test_what_is_no_number_is_left_alone(self) -> None:
        assert applied(PATIENT, rule("Patient.name", "perturb", span=1)) == PATIENT


class TestGeneralize:
    @pytest.mark.parametrize(
        ("cases", "others", "left"),
        [
            ({"$this >= @1980-01-01 and $this < @1990-01-01": "@1980"}, "redact", "1980"),
            ({"$this < @1979": "@1970"}, "redact", None),
            ({"$this < @1979": "@1970"}, "keep", "1980-03-01"),
            ({"$this < @1980": "@1970"}, "keep", "1970"),  # cannot be told: counts as holding
            ({"true": "$this.replaceMatches('(?<year>\\\\d{4})-.*', '${year}')"}, "keep", "1980"),
        ],
    )
    def test_dates(self, cases: dict[str, str], others: str, left: str | None) -> None:
        found = applied(PATIENT, rule("Patient.birthDate", "generalize", cases=cases, otherValues=others))
        assert found.get("birthDate") == left

    @pytest.mark.parametrize(("value", "left"), [(18, 10), (-7, 0), (20, 20)])
    def test_numbers(self, value: int, left: int) -> None:
        resource = {"resourceType": "Patient", "multipleBirthInteger": value}
        tens = rule("Patient.multipleBirth", "generalize", cases={"true": "($this div 10)*10"})
        assert applied(resource, tens)["multipleBirthInteger"] == left
        assert labels(resource, tens) == ["GENERALIZED"]

    def test_an_element_with_parts_is_an_error(self) -> None:
        with pytest.raises(DataError) as caught:
            applied(PATIENT, rule("Patient.active", "keep"), rule("Patient.name", "generalize", cases={}))
        assert caught.value.fields == {"rule": 1}


class TestResourcesInside:
    def test_each_is_processed_by_itself(self) -> None:
        found = anonymize(BUNDLE, configured(rule("Patient.birthDate", "redact")), as_of=AS_OF)
        text = str(found)
        assert "1980-03-01" not in text
        inner: Any = found["entry"]
        assert inner[0]["resource"]["meta"]["security"][0]["code"] == "REDACTED"
        assert "meta" not in inner[1]["resource"]["contained"][0], "contained resources get no label"
        assert found["meta"] == inner[0]["resource"]["meta"] == inner[1]["resource"]["meta"]

    def test_one_bundle_has_one_shift(self) -> None:
        found: Any = anonymize(BUNDLE, configured(rule("nodesByType('date')", "dateShift")), as_of=AS_OF)
        dates = {
            found["entry"][0]["resource"]["birthDate"],
            found["entry"][1]["resource"]["contained"][0]["birthDate"],
        }
        assert len(dates) == 1

    def test_redacting_an_entry_leaves_its_resource(self) -> None:
        found = applied(BUNDLE, rule("Bundle.entry", "redact"))
        assert [set(entry) for entry in found["entry"]] == [{"resource"}, {"resource"}]


def test_labels_are_added_once_and_others_kept() -> None:
    mine = {"system": "urn:mine", "code": "R"}
    resource = PATIENT | {"meta": {"security": [mine, {"code": "redacted"}]}}
    assert labels(resource, rule("Patient.name", "redact"), rule("Resource.id", "cryptoHash")) == [
        "R",
        "redacted",
        "CRYTOHASH",
    ]
    assert labels(PATIENT, rule("Patient", "keep")) == []


def test_skipped_errors_leave_an_empty_resource() -> None:
    configuration = configured(
        rule("Patient.name.family", "generalize", cases={"$this > 1": "1"}), errors="skip"
    )
    found = anonymize(PATIENT, configuration, as_of=AS_OF)
    assert found.keys() == {"resourceType", "meta"}


def test_decimals_keep_their_digits() -> None:
    source = b'{"resourceType":"Observation","valueQuantity":{"value":1.500}}'
    assert anonymize(source, configured(rule("Patient", "keep")), as_of=AS_OF) == source
