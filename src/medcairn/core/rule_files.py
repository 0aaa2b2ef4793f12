"""Rules as data: built-in ones by name or a study's own YAML file, checked against a record."""

from __future__ import annotations

from collections.abc import Collection
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label

Record = TypeVar("Record", bound=BaseModel)


def rule_text(rules: str | Path, *, folder: Traversable, built_in: Collection[str]) -> str:
    """The text of the built-in rules of this name in ``folder``, or of a file.

    Raises :class:`SettingsError` when there are none.
    """
    if isinstance(rules, str):
        if rules not in built_in:
            raise SettingsError("There are no such built-in rules", hint="Built in: " + ", ".join(built_in))
        return folder.joinpath(f"{rules}.yaml").read_text("utf-8")
    if not rules.is_file():
        raise SettingsError("There is no such file of rules", file=rules)
    return rules.read_text(encoding="utf-8", errors="replace")


def parse_rules(text: str, record: type[Record], *, hint: str) -> Record:
    """The record in the text of a YAML file.

    Raises :class:`SettingsError` that names the key at fault and never its value; ``hint`` says where the
    keys are explained.
    """
    value: object = None
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise SettingsError("The rules are empty, no mapping or no YAML", hint=hint)
    parsed: Record | None = None
    key, kind = "", ""
    try:
        parsed = record.model_validate(value)
    except ValidationError as failure:
        first = failure.errors(include_url=False, include_input=False, include_context=False)[0]
        key, kind = ".".join(str(part) for part in first["loc"]), first["type"]
    if parsed is None:
        raise SettingsError(
            "A key of the rules cannot be used", hint=hint, key=_shown(key), problem=Label(kind)
        )
    return parsed


def _shown(key: str) -> Label:
    try:
        return Label(key)
    except ValueError:
        return Label("unknown")


__all__ = ["parse_rules", "rule_text"]
