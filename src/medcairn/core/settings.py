"""``study.yaml``: one frozen record, unknown keys refused, errors that name keys and never values."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medcairn.core.canonical import JSON
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label

SETTINGS_FILE = "study.yaml"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StudySection(_Record):
    """What the study is."""

    name: Name = Field(description="Short name; also the MLflow experiment and registered model prefix.")
    purpose: str = Field(default="", max_length=500, description="Intended use, in one or two sentences.")
    synthetic: bool = Field(default=False, description="No subject is real; reports and model cards say so.")


class BulkSource(_Record):
    """A FHIR server with Bulk Data export (HL7 Bulk Data Access IG 2.0)."""

    kind: Literal["bulk"] = "bulk"
    base_url: str = Field(pattern=r"^https?://", description="The FHIR base URL.")
    level: Literal["system", "patient", "group"] = "system"
    group: Name | None = Field(default=None, description="Group id; needed when level is group.")
    types: tuple[Name, ...] = Field(default=(), description="Resource types to ask for (_type); empty: all.")
    since: str | None = Field(default=None, description="FHIR instant for _since.")
    client_id: str | None = Field(
        default=None, description="SMART Backend Services client; none: open server."
    )
    key_file: Path | None = Field(
        default=None, description="Private JWK of the client, relative to the study."
    )


class FilesSource(_Record):
    """A folder of NDJSON (``.ndjson``, ``.ndjson.gz``) or Bundle (``.json``) files."""

    kind: Literal["files"] = "files"
    path: Path = Field(description="The folder, absolute or relative to the study.")


class DeidSection(_Record):
    """How identifiers are removed."""

    mode: Literal["safe-harbor"] = "safe-harbor"
    key_file: Path = Field(default=Path("keys/pseudonym.key"), description="HMAC key, relative to the study.")
    as_of: date = Field(description="The day on which ages are reckoned; never today's date by itself.")
    processes: int = Field(default=2, ge=1, le=64)


class FeaturesSection(_Record):
    """Which task is predicted from which features."""

    task: Name = Field(default="readmission_30d", description="A built-in task.")
    set: Name = Field(default="clinical_core", description="A built-in feature set.")


class SplitSection(_Record):
    """How subjects are divided. A subject is in exactly one split."""

    held_out_fraction: float = Field(default=0.3, gt=0, lt=0.9, description="Share of subjects, by a hash.")
    tuning_fraction: float = Field(default=0.0, ge=0, lt=0.5, description="Share of subjects, by a hash.")
    later_fraction: float = Field(
        default=0.4,
        gt=0,
        lt=0.9,
        description="Share of index dates, the latest: for held-out rows; the rest are for training.",
    )


class TrainingSection(_Record):
    """How models are trained."""

    seed: int = Field(default=20260101, ge=0, lt=2**32)
    folds: int = Field(default=5, ge=2, le=20, description="Subject-grouped cross-validation folds.")
    models: tuple[Literal["logistic_regression", "random_forest", "gradient_boosting"], ...] = (
        "logistic_regression",
        "random_forest",
        "gradient_boosting",
    )


class ValidationSection(_Record):
    """What the candidate must show on the held-out split."""

    criteria: Name = Field(
        default="readmission_30d", description="A built-in criteria file, or one in criteria/."
    )
    bootstrap_samples: int = Field(default=1000, ge=100, le=100_000)
    auroc_ceiling: float | None = Field(
        default=None,
        gt=0.5,
        le=1,
        description="The best AUROC that the outcome allows, if known; more is evidence of leakage.",
    )


class ApprovalSection(_Record):
    """Who must sign before a model is packaged."""

    signatures: int = Field(default=2, ge=1, le=10, description="Different people, none of them the author.")


class ServingSection(_Record):
    """The prediction service."""

    host: str = Field(default="127.0.0.1")
    port: int = Field(default=8750, ge=0, le=65535)


class MonitoringSection(_Record):
    """When monitoring alerts."""

    false_discovery_rate: float = Field(default=0.05, gt=0, lt=0.5)
    minimum_rows: int = Field(default=50, ge=1)


class Settings(_Record):
    """The whole of ``study.yaml``."""

    study: StudySection
    source: Annotated[BulkSource | FilesSource, Field(discriminator="kind")]
    deid: DeidSection
    features: FeaturesSection = FeaturesSection()
    split: SplitSection = SplitSection()
    training: TrainingSection = TrainingSection()
    validation: ValidationSection = ValidationSection()
    approval: ApprovalSection = ApprovalSection()
    serving: ServingSection = ServingSection()
    monitoring: MonitoringSection = MonitoringSection()

    def section(self, *names: str) -> dict[str, JSON]:
        """The named sections as JSON; what a step depends on, and so what makes it run again."""
        whole = self.model_dump(mode="json")
        return {name: whole[name] for name in names}


def parse_settings(text: str) -> Settings:
    """Settings from the text of a ``study.yaml``.

    Raises :class:`SettingsError` that names the key at fault and never its value.
    """
    value: object = None
    line: int | None = None
    broken = False
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as failure:
        broken = True
        mark = getattr(failure, "problem_mark", None)
        line = mark.line + 1 if mark else None
    if broken:
        raise SettingsError("study.yaml is not YAML", line=line or 0)
    if not isinstance(value, dict):
        raise SettingsError("study.yaml is empty or no mapping", hint="See `medcairn init --help`")
    return _checked(value)


def read_settings(study: Path) -> Settings:
    """Settings of the study in folder ``study``. Raises :class:`SettingsError`."""
    path = study / SETTINGS_FILE
    if not path.is_file():
        raise SettingsError(
            "There is no study.yaml here",
            hint="Make a study with `medcairn init DIR`, or give --study DIR",
            folder=study,
        )
    return parse_settings(path.read_text(encoding="utf-8", errors="replace"))


def _checked(value: object) -> Settings:
    settings: Settings | None = None
    problems: list[tuple[str, str]] = []
    try:
        settings = Settings.model_validate(value)
    except ValidationError as failure:
        for problem in failure.errors(include_url=False, include_input=False, include_context=False):
            problems.append((".".join(str(part) for part in problem["loc"]), problem["type"]))
    if settings is None:
        raise _problem(problems)
    return settings


def _problem(problems: list[tuple[str, str]]) -> SettingsError:
    key, kind = problems[0]
    messages = {
        "extra_forbidden": "study.yaml has a key that is not known",
        "missing": "study.yaml lacks a key that is needed",
    }
    try:
        label = Label(key)
    except ValueError:
        label = Label("a-key-that-is-no-name")
    return SettingsError(
        messages.get(kind, "study.yaml has a value that is not allowed"),
        hint="`medcairn schema` prints every key with its meaning",
        key=label,
        problem=Label(kind),
        problems=len(problems),
    )


__all__ = [
    "SETTINGS_FILE",
    "ApprovalSection",
    "BulkSource",
    "DeidSection",
    "FeaturesSection",
    "FilesSource",
    "MonitoringSection",
    "ServingSection",
    "Settings",
    "SplitSection",
    "StudySection",
    "TrainingSection",
    "ValidationSection",
    "parse_settings",
    "read_settings",
]
