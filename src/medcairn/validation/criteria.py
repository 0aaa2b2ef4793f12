"""Acceptance criteria as data: what a candidate must show, fixed before the held-out split is read."""

from __future__ import annotations

import math
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Self

import msgspec
import yaml

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_json
from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label
from medcairn.validation.estimate import shown_number

_SUFFIX = ".yaml"


class Metric(StrEnum):
    """What a criterion may ask about."""

    ROWS = "rows"
    POSITIVES = "positives"
    AUROC = "auroc"
    AUPRC = "auprc"
    BRIER = "brier"
    BRIER_SKILL = "brier_skill"
    CALIBRATION_SLOPE = "calibration_slope"
    CALIBRATION_INTERCEPT = "calibration_intercept"
    SENSITIVITY = "sensitivity"
    SPECIFICITY = "specificity"
    PPV = "ppv"
    NPV = "npv"
    SUBGROUP_AUROC_GAP = "subgroup_auroc_gap"

    @property
    def words(self) -> str:
        """The name for people."""
        return {"rows": "number of rows", "positives": "number of positives", "auroc": "AUROC",
                "auprc": "AUPRC", "brier": "Brier score", "brier_skill": "Brier skill", "ppv": "PPV",
                "npv": "NPV", "subgroup_auroc_gap": "subgroup gap in AUROC",
                }.get(self.value, self.value.replace("_", " "))  # fmt: skip


class Bound(StrEnum):
    """Which part of an estimate is held against the limits."""

    ESTIMATE = "estimate"
    LOW = "low"
    HIGH = "high"
    INTERVAL = "interval"
    """The whole interval: its lower end against ``at_least``, its upper end against ``at_most``."""


class Criterion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One demand. At least one of ``at_least`` and ``at_most`` is given; both are inclusive."""

    id: str
    metric: Metric
    bound: Bound
    rationale: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def rule(self) -> str:
        """The demand in words: ``lower 95% bound of AUROC ≥ 0.65``."""
        part = {
            Bound.ESTIMATE: "",
            Bound.LOW: "lower 95% bound of ",
            Bound.HIGH: "upper 95% bound of ",
            Bound.INTERVAL: "95% interval of ",
        }[self.bound]
        name = part + self.metric.words
        least, most = (
            None if limit is None else shown_number(limit, "g") for limit in (self.at_least, self.at_most)
        )
        if least is not None and most is not None:
            return f"{name} within {least} to {most}"
        return f"{name} ≥ {least}" if least is not None else f"{name} ≤ {most}"


class Criteria(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named list of criteria and the operating point that they speak of.

    An empty list is a valid file and denies: nothing was asked, so nothing was shown.
    """

    name: str
    version: str
    task: str
    summary: str
    specificity: float
    criteria: tuple[Criterion, ...]

    def as_json(self) -> dict[str, JSON]:
        """Everything in the file; what the digest is taken of."""
        return {
            "name": self.name,
            "version": self.version,
            "task": self.task,
            "summary": self.summary,
            "specificity": self.specificity,
            "criteria": [
                {
                    "id": item.id,
                    "metric": item.metric.value,
                    "bound": item.bound.value,
                    "at_least": item.at_least,
                    "at_most": item.at_most,
                    "rationale": item.rationale,
                }
                for item in self.criteria
            ],
        }

    @property
    def digest(self) -> Digest:
        """Digest of the canonical JSON; comments and layout of the file do not count."""
        return digest_json(self.as_json())

    def checked(self) -> Self:
        """Itself. Raises :class:`SettingsError` when an entry makes no sense."""
        _require(0 < self.specificity < 1, "specificity")
        _require(len({item.id for item in self.criteria}) == len(self.criteria), "criteria.id")
        for item in self.criteria:
            limits = [limit for limit in (item.at_least, item.at_most) if limit is not None]
            _require(bool(limits) and all(math.isfinite(limit) for limit in limits), "criteria.at_least")
            _require(item.bound is not Bound.INTERVAL or len(limits) == 2, "criteria.bound")
            _require(
                item.at_least is None or item.at_most is None or item.at_least <= item.at_most,
                "criteria.at_most",
            )
            _require(_is_label(item.id), "criteria.id")
        return self


def load_criteria(name: str, folder: Path | None = None) -> Criteria:
    """The criteria called ``name``: ``<folder>/<name>.yaml`` if that exists, else the built-in one.

    Raises :class:`SettingsError` when there is none or when it cannot be used. The error names the key
    at fault and never its value.
    """
    if not _is_label(name) or "/" in name:
        raise SettingsError("This is no name of a criteria file")
    own = folder / (name + _SUFFIX) if folder is not None else None
    if own is not None and own.is_file():
        return parse_criteria(own.read_bytes())
    built_in = files("medcairn.validation") / "criteria_files" / (name + _SUFFIX)
    if not built_in.is_file():
        raise SettingsError("There is no criteria file of this name", name=Label(name))
    return parse_criteria(built_in.read_bytes())


def parse_criteria(text: bytes) -> Criteria:
    """Criteria from the bytes of a YAML file. Raises :class:`SettingsError`."""
    criteria: Criteria | None = None
    problem = "structure"
    try:
        criteria = msgspec.convert(yaml.safe_load(text), Criteria, strict=True)
    except msgspec.ValidationError:
        problem = "key or value"
    except (yaml.YAMLError, UnicodeDecodeError):
        problem = "yaml"
    if criteria is None:
        raise SettingsError(
            "A criteria file cannot be used",
            hint="See the README of medcairn.validation for its keys",
            problem=Label(problem.replace(" ", "_")),
        )
    return criteria.checked()


def _require(holds: bool, key: str) -> None:
    if not holds:
        raise SettingsError("A criteria file has a value that makes no sense", key=Label(key))


def _is_label(text: str) -> bool:
    try:
        Label(text)
    except ValueError:
        return False
    return True


__all__ = ["Bound", "Criteria", "Criterion", "Metric", "load_criteria", "parse_criteria"]
