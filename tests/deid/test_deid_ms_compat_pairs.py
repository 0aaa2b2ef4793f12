"""ms-compat beside the functional tests of Microsoft's anonymizer: every pair, results and errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from medcairn.core.errors import DataError
from medcairn.deid.ms_compat import MsConfiguration, anonymize

SUITE = Path(__file__).resolve().parents[2].parent / "shared" / "conformance" / "deid" / "microsoft"

pytestmark = pytest.mark.skipif(not SUITE.is_dir(), reason="the shared conformance data are not here")


def _suite() -> dict[str, Any]:
    if not SUITE.is_dir():
        return {"pairs": [], "as_of": "2025-09-05"}
    return cast("dict[str, Any]", json.loads((SUITE / "pairs.json").read_bytes()))


PAIRS: list[Mapping[str, str]] = _suite()["pairs"]
AS_OF = date.fromisoformat(_suite()["as_of"])


def _parsed(data: bytes) -> object:
    return json.loads(data.decode("utf-8-sig"), parse_float=Decimal)


def _run(pair: Mapping[str, str]) -> bytes:
    configuration = MsConfiguration.read(SUITE / pair["config"])
    source = (SUITE / pair["input"]).read_bytes().removeprefix(b"\xef\xbb\xbf")
    return anonymize(source, configuration, as_of=AS_OF)


def _passes(pair: Mapping[str, str]) -> bool:
    if "expect_error" in pair:
        try:
            _run(pair)
        except DataError as error:
            return error.fields == {"rule": 0}
        return False
    return _parsed(_run(pair)) == _parsed((SUITE / pair["expect"]).read_bytes())


@pytest.mark.parametrize(
    "pair", PAIRS, ids=lambda pair: f"{Path(pair['config']).stem}-{Path(pair['input']).stem}"
)
def test_pair(pair: Mapping[str, str]) -> None:
    if "expect_error" in pair:
        with pytest.raises(DataError) as caught:
            _run(pair)
        assert caught.value.fields == {"rule": 0}
        assert caught.value.__context__ is None
    else:
        assert _parsed(_run(pair)) == _parsed((SUITE / pair["expect"]).read_bytes())


def test_how_many_pairs_pass(capsys: pytest.CaptureFixture[str]) -> None:
    passed = sum(map(_passes, PAIRS))
    with capsys.disabled():
        print(f" Microsoft pairs: {passed} of {len(PAIRS)}")
    assert passed == len(PAIRS) == 32


def test_a_parsed_resource_gives_the_same() -> None:
    pair = PAIRS[0]
    source = cast("dict[str, object]", _parsed((SUITE / pair["input"]).read_bytes()))
    before = json.dumps(source, default=str)
    found = anonymize(source, MsConfiguration.read(SUITE / pair["config"]), as_of=AS_OF)
    assert found == _parsed(_run(pair))
    assert json.dumps(source, default=str) == before


def test_nothing_depends_on_today() -> None:
    configuration = MsConfiguration.read(SUITE / "configurations" / "common-config.json")
    source = (SUITE / "resources" / "patient-special-content.json").read_bytes().removeprefix(b"\xef\xbb\xbf")
    last, first = date(2029, 12, 31), date(2030, 1, 1)
    assert json.loads(anonymize(source, configuration, as_of=last))["birthDate"] == "1940-02-11"
    assert "birthDate" not in json.loads(anonymize(source, configuration, as_of=first))


@pytest.mark.parametrize("path", sorted(SUITE.glob("*onfigurations/*.json")), ids=lambda path: path.stem)
def test_every_configuration_loads(path: Path) -> None:
    assert MsConfiguration.read(path).rules


def test_the_sample_configuration_has_a_rule_that_can_never_match() -> None:
    sample = MsConfiguration.read(SUITE / "sample-configurations" / "configuration-sample.json")
    assert len(sample.rules) == 193
    assert sample.rules_without_target == (22,), "HealthcareService.notAvaliable, a misspelling"


@pytest.mark.parametrize("name", ["configuration-sample", "configuration-sample-with-dateshiftfixedoffset"])
def test_bundles_with_entries_that_hold_no_resource(name: str) -> None:
    configuration = MsConfiguration.read(SUITE / "sample-configurations" / f"{name}.json").keyed(b"k" * 32)
    source = (SUITE / "resources" / "bundle-without-entry-resource.json").read_bytes()
    found = json.loads(anonymize(source.removeprefix(b"\xef\xbb\xbf"), configuration, as_of=AS_OF))
    assert found["resourceType"] == "Bundle"
