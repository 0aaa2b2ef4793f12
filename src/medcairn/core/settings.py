"""``study.yaml``: one frozen record, unknown keys refused, errors that name keys and never values."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError

from medcairn.core.canonical import JSON
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.core.ledger_settings import LedgerSection
from medcairn.core.settings_form import SettingsRecord as _Record

SETTINGS_FILE = "study.yaml"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]

Rules = Annotated[
    str,
    Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,63}|[A-Za-z0-9_./-]{1,200}/?[A-Za-z0-9_.-]{1,64}\.ya?ml)$"),
]
"""Rules by the name of built-in ones, or by a file."""


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
    until: str | None = Field(default=None, description="FHIR instant for _until.")
    type_filters: tuple[str, ...] = Field(default=(), description="_typeFilter, such as Observation?code=…")
    elements: tuple[str, ...] = Field(default=(), description="_elements.")
    include_associated_data: tuple[str, ...] = Field(default=(), description="includeAssociatedData.")
    incremental: bool = Field(
        default=False, description="Build on the last export: changes, deletions, new members of the group."
    )
    drop_departed: bool = Field(default=False, description="Drop the data of patients who left the group.")
    attachments: bool = Field(default=False, description="Also fetch what attachments point to.")
    client_id: str | None = Field(
        default=None, description="SMART Backend Services client; none: open server."
    )
    key_file: Path | None = Field(
        default=None, description="Private JWK of the client, relative to the study."
    )
    client_secret_file: Path | None = Field(
        default=None, description="Instead of a key, for servers that know none; relative to the study."
    )
    jwks_url: str | None = Field(default=None, description="Where the server finds the client's public keys.")
    token_origins: tuple[str, ...] = Field(
        default=(), description="Further origins that may get the token; by default the server's own alone."
    )
    parallel: int = Field(default=4, ge=1, le=64, description="Files fetched at a time.")


class SearchSource(_Record):
    """A FHIR server without Bulk Data: plain searches with paging."""

    kind: Literal["search"] = "search"
    base_url: str = Field(pattern=r"^https?://", description="The FHIR base URL.")
    types: tuple[Name, ...] = Field(min_length=1, description="Resource types to search for.")
    since: str | None = Field(default=None, description="From this instant or day of _lastUpdated.")
    until: str | None = Field(default=None, description="Before this instant or day of _lastUpdated.")
    page_size: int = Field(default=500, ge=1, le=10_000, description="_count.")
    client_id: str | None = Field(default=None, description="SMART Backend Services client; none: open.")
    key_file: Path | None = Field(default=None, description="Private JWK, relative to the study.")


class ObjectsSource(_Record):
    """NDJSON or Bundle objects of a store; its credentials come from the environment."""

    kind: Literal["objects"] = "objects"
    url: str = Field(pattern=r"^(s3|az|abfss?|gs|file)://", description="The store and prefix.")
    credentials_file: Path | None = Field(
        default=None, description="The store's credentials (mode 0600), relative to the study."
    )
    endpoint: str | None = Field(default=None, description="The store's own address.")
    region: str | None = Field(default=None, description="The region of an S3 bucket.")
    anonymous: bool = Field(default=False, description="Ask without credentials.")
    ca_file: Path | None = Field(
        default=None, description="Certificates that the store's is checked by, relative to the study."
    )


class FilesSource(_Record):
    """A folder of NDJSON or Bundle files, plain, ``.gz`` or ``.zst``."""

    kind: Literal["files"] = "files"
    path: Path = Field(description="The folder, absolute or relative to the study.")
    nested: bool = Field(default=False, description="Read its sub-folders too.")


class DeidSection(_Record):
    """How identifiers are removed."""

    mode: Literal["safe-harbor"] = "safe-harbor"
    policy: Path | None = Field(default=None, description="A policy of your own, relative to the study.")
    pseudonyms: Literal["hmac", "random"] = Field(
        default="hmac", description="From a key, or random with a crosswalk in phi/."
    )
    key_file: Path = Field(default=Path("keys/pseudonym.key"), description="HMAC key, relative to the study.")
    key_env: str | None = Field(default=None, description="Environment variable that holds the key instead.")
    key_command: tuple[str, ...] | None = Field(
        default=None, description="Command that prints the key instead, without a shell."
    )
    as_of: date = Field(description="The day on which ages are reckoned; never today's date by itself.")
    processes: int = Field(default=2, ge=1, le=64)


class LakehouseSection(_Record):
    """How the data plane runs."""

    processes: int = Field(default=2, ge=1, le=64, description="Worker processes of the embedded engine.")
    spark_cores: int = Field(default=2, ge=1, le=256, description="Threads of a local Spark session.")
    spark_memory: str = Field(default="2g", pattern=r"^[1-9][0-9]*[mg]$", description="Its JVM's memory.")


class FeaturesSection(_Record):
    """Which task is predicted from which features."""

    task: Rules = Field(
        default="readmission_30d", description="A built-in task, or a .yaml file relative to the study."
    )
    set: Rules = Field(
        default="clinical_core", description="A built-in feature set, or a .yaml file relative to the study."
    )


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
    """Who must sign, and what must hold, before a model comes into a state."""

    gates: Rules = Field(
        default="basic", description="basic, part11, or a .yaml file of your own, relative to the study."
    )
    change_control: Path | None = Field(
        default=None,
        description="A predetermined change control plan, relative to the study: which changes to an "
        "approved model need no new approval once people have signed the plan.",
    )


class AccessSection(_Record):
    """The people of the study."""

    policy: Rules = Field(
        default="basic", description="basic, part11, or a .yaml file of your own, relative to the study."
    )


class TrackingSection(_Record):
    """What goes into MLflow beside the training."""

    stages: bool = Field(default=False, description="Each step of a run as an MLflow run with its digests.")


class ServingSection(_Record):
    """The prediction service."""

    host: str = Field(default="127.0.0.1")
    port: int = Field(default=8750, ge=0, le=65535)


class MonitoringSection(_Record):
    """When monitoring alerts."""

    false_discovery_rate: float = Field(default=0.05, gt=0, lt=0.5)
    minimum_rows: int = Field(default=50, ge=1)


class DeploymentSection(_Record):
    """What the operator states about a deployment."""

    image_digest: str | None = Field(
        default=None,
        pattern=r"^sha256:[0-9a-f]{64}$",
        description="Of the container image that was built from the package; recorded as stated.",
    )


class Settings(_Record):
    """The whole of ``study.yaml``."""

    study: StudySection
    source: Annotated[BulkSource | SearchSource | ObjectsSource | FilesSource, Field(discriminator="kind")]
    deid: DeidSection
    engine: Literal["duckdb", "spark"] = Field(
        default="duckdb", description="What runs de-identification, silver and features: embedded, or Spark."
    )
    lakehouse: LakehouseSection = LakehouseSection()
    features: FeaturesSection = FeaturesSection()
    split: SplitSection = SplitSection()
    training: TrainingSection = TrainingSection()
    validation: ValidationSection = ValidationSection()
    approval: ApprovalSection = ApprovalSection()
    access: AccessSection = AccessSection()
    tracking: TrackingSection = TrackingSection()
    serving: ServingSection = ServingSection()
    deployment: DeploymentSection = DeploymentSection()
    monitoring: MonitoringSection = MonitoringSection()
    ledger: LedgerSection = LedgerSection()

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
    "AccessSection",
    "ApprovalSection",
    "BulkSource",
    "DeidSection",
    "DeploymentSection",
    "FeaturesSection",
    "FilesSource",
    "LedgerSection",
    "MonitoringSection",
    "ObjectsSource",
    "SearchSource",
    "ServingSection",
    "Settings",
    "SplitSection",
    "StudySection",
    "TrackingSection",
    "TrainingSection",
    "ValidationSection",
    "parse_settings",
    "read_settings",
]
