"""``study.yaml``: unknown keys refused, errors that name keys and never values."""

from datetime import date

import pytest

from medcairn.core.errors import SettingsError
from medcairn.core.settings import BulkSource, Settings, parse_settings

GOOD = """
study: {name: demo}
source: {kind: bulk, base_url: "http://127.0.0.1:8000/fhir"}
deid: {as_of: 2025-06-30}
"""


def test_defaults_fill_the_rest() -> None:
    settings = parse_settings(GOOD)
    assert isinstance(settings.source, BulkSource)
    assert settings.deid.as_of == date(2025, 6, 30)
    assert settings.features.task == "readmission_30d"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("colour: CANARY-VALUE", "colour"),
        ("training: {seed: CANARY-VALUE}", "training.seed"),
        ("validation: {criterion: CANARY-VALUE}", "validation.criterion"),
        ("monitoring: {minimum_rows: -7}", "monitoring.minimum_rows"),
    ],
)
def test_an_error_names_the_key_and_not_the_value(change: str, key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(GOOD + change)
    assert key in str(caught.value)
    assert "CANARY" not in str(caught.value)
    assert "-7" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("text", ["", "just text", "- a\n- b", "study: [unclosed", "study: {name: demo}"])
def test_what_is_no_study_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_settings(text)


def test_settings_cannot_be_changed() -> None:
    settings = parse_settings(GOOD)
    with pytest.raises(Exception, match="frozen"):
        settings.study = None  # type: ignore[misc, assignment]


def test_the_json_schema_describes_every_section() -> None:
    assert set(Settings.model_json_schema()["properties"]) == set(Settings.model_fields)
