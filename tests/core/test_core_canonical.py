"""RFC 8785: the examples of its section 3.2, and what is refused."""

import math

import pytest

from medcairn.core.canonical import JSON, canonical_json
from medcairn.core.digests import Digest, digest_bytes, digest_json
from medcairn.core.errors import DataError
from medcairn.core.labels import Label


def test_example_of_section_3_2_2() -> None:
    value: dict[str, JSON] = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "€$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical_json(value).decode() == expected


def test_keys_sort_by_utf16_code_units_as_in_section_3_2_3() -> None:
    value = {"€": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "ö": 7}
    order = [2, 4, 6, 7, 1, 5, 3]
    assert [int(part[-1]) for part in canonical_json(value).decode().strip("{}").split(",")] == order


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53 + 1, {1: "a"}, {"a": {1, 2}}])
def test_refuses_what_json_cannot_carry(value: object) -> None:
    with pytest.raises(DataError):
        canonical_json(value)  # type: ignore[arg-type]


def test_labels_and_digests_are_written_as_plain_text() -> None:
    digest = digest_bytes(b"")
    assert canonical_json({"a": Label("x"), "b": digest}) == b'{"a":"x","b":"' + digest.encode() + b'"}'


def test_digest_of_nothing_is_the_published_one() -> None:
    assert digest_bytes(b"").hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest_json({"b": 1, "a": 2}) == digest_json({"a": 2, "b": 1})


@pytest.mark.parametrize("text", ["", "sha256:12", "sha1:" + "0" * 64, "sha256:" + "G" * 64])
def test_a_digest_has_one_form(text: str) -> None:
    with pytest.raises(ValueError, match="not a digest"):
        Digest(text)


@pytest.mark.parametrize("text", ["", "two words", "x" * 201, "line\nbreak", "ünï"])
def test_a_label_is_a_name(text: str) -> None:
    with pytest.raises(ValueError, match="not a label"):
        Label(text)
