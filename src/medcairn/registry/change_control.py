"""A predetermined change control plan: which changes of a model people allowed before they were made.

The terms are those of the FDA's guidance on marketing submission recommendations for such plans (AI-enabled
device software functions, 2024, reissued 2025) and of the guiding principles of the FDA, Health Canada and
the MHRA (2023): the modifications are described, and bounded; how they are made and evaluated (protocol) and
what they may do (impact) is said beside them. Here the bounds are data, so that a machine can hold a change
against them; see :mod:`medcairn.registry.change_assessment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_json
from medcairn.core.errors import IntegrityError
from medcairn.core.rule_files import parse_rules, rule_text
from medcairn.core.settings_form import SettingsRecord

FORM = "medcairn-change-control-1"
BUILT_IN = ("readmission_30d",)

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Number = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=2000)]


class PlannedMetric(StrEnum):
    """What a plan may ask of the performance on held-out subjects; the names are validation's."""

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


class Bounds(SettingsRecord):
    """A number's limits, both inclusive; at least one is given."""

    at_least: Number | None = None
    at_most: Number | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("no limit")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("limits in the wrong order")
        return self

    def hold(self, number: float) -> bool:
        """Whether ``number`` lies within."""
        low, high = self.at_least, self.at_most
        return (low is None or number >= low) and (high is None or number <= high)

    @property
    def words(self) -> str:
        """``at least 0.001 and at most 0.1``."""
        limits = (("at least", self.at_least), ("at most", self.at_most))
        said = (f"{what} {limit:g}" for what, limit in limits if limit is not None)
        return " and ".join(said).replace("-", "−")


class DataRefresh(SettingsRecord):
    """Other data of the same kind; the training rows and those with the outcome are no fewer than this."""

    rows_at_least: int = Field(ge=1)
    positives_at_least: int = Field(ge=1)


class HyperparameterRules(SettingsRecord):
    """For one algorithm: any settings (``free``), or the named ones ``within`` bounds and the rest as is."""

    free: bool = False
    within: dict[Name, Bounds] = Field(default_factory=dict)


class PerformanceRule(SettingsRecord):
    """Limits of a metric, and how much worse than the baseline's its estimate may be.

    ``bound`` says which part of the 95% interval the limits speak of. Worse is lower, for the Brier score and
    the gap between subgroups higher, for calibration further from a slope of 1 and an intercept of 0.
    """

    bound: Literal["estimate", "low", "high"] = "estimate"
    at_least: Number | None = None
    at_most: Number | None = None
    worse_by_at_most: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.limits is None and self.worse_by_at_most is None:
            raise ValueError("no limit")
        return self

    @property
    def limits(self) -> Bounds | None:
        """The limits, where there are any."""
        if self.at_least is None and self.at_most is None:
            return None
        return Bounds(at_least=self.at_least, at_most=self.at_most)

    @property
    def words(self) -> str:
        """``lower 95% bound at least 0.65; at most 0.05 worse than the baseline``."""
        part = {"estimate": "", "low": "lower 95% bound ", "high": "upper 95% bound "}[self.bound]
        said = [f"{part}{self.limits.words}"] if self.limits is not None else []
        if self.worse_by_at_most is not None:
            said.append(f"at most {self.worse_by_at_most:g} worse than the baseline")
        return "; ".join(said)


class Changes(SettingsRecord):
    """The kinds of change that are allowed. What is not mentioned may not change."""

    retrain: bool = False
    data_refresh: DataRefresh | None = None
    algorithms: tuple[Name, ...] = ()
    hyperparameters: dict[Name, HyperparameterRules] = Field(default_factory=dict)
    threshold: Bounds | None = None


class ChangeControlPlan(SettingsRecord):
    """The envelope of allowed changes, for one task. One that says no more than its name denies all.

    ``until`` is the last day (UTC), ``most_changes`` how many changes there may be under the plan.
    """

    name: Name
    version: Name
    task: Name
    summary: Text = ""
    protocol: Text = ""
    impact: Text = ""
    until: date | None = None
    most_changes: int = Field(default=0, ge=0, le=1000)
    changes: Changes = Changes()
    performance: dict[PlannedMetric, PerformanceRule] = Field(default_factory=dict)

    def as_json(self) -> dict[str, JSON]:
        """Everything that the plan says, with its form; this is what is signed."""
        return {"form": FORM, **self.model_dump(mode="json", exclude_none=True)}

    @property
    def digest(self) -> Digest:
        """Digest of the canonical JSON; comments and layout of a file do not count."""
        return digest_json(self.as_json())

    @classmethod
    def from_json(cls, value: Mapping[str, JSON]) -> ChangeControlPlan:
        """The plan that :meth:`as_json` wrote, as a signed record of the ledger holds it.

        Raises :class:`IntegrityError` when the value has not the form of a plan.
        """
        plan: ChangeControlPlan | None = None
        said = dict(value)
        try:
            if said.pop("form", None) == FORM:
                plan = cls.model_validate(said)
        except ValidationError:
            plan = None
        if plan is None:
            raise IntegrityError("A record of a change control plan cannot be read")
        return plan


def read_change_control_plan(plan: str | Path) -> ChangeControlPlan:
    """A built-in plan by its name, or the one in a YAML file.

    Raises :class:`~medcairn.core.errors.SettingsError` that names the key at fault and never its value.
    """
    folder = resources.files(__package__) / "plans"
    return parse_change_control_plan(rule_text(plan, folder=folder, built_in=BUILT_IN))


def parse_change_control_plan(text: str) -> ChangeControlPlan:
    """The plan in the text of a YAML file. Raises :class:`~medcairn.core.errors.SettingsError`."""
    return parse_rules(text, ChangeControlPlan, hint="The README of medcairn.registry lists the keys")


__all__ = [
    "BUILT_IN",
    "FORM",
    "Bounds",
    "ChangeControlPlan",
    "Changes",
    "DataRefresh",
    "HyperparameterRules",
    "PerformanceRule",
    "PlannedMetric",
    "parse_change_control_plan",
    "read_change_control_plan",
]
