"""Reads the YAML policies of this stage: unknown keys refused, errors that name keys and never values."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from medcairn.core.errors import SettingsError
from medcairn.core.labels import Label

_SUFFIXES = (".yaml", ".yml")


class PolicyRecord(BaseModel):
    """Base of the records that a policy file is checked against."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


Record = TypeVar("Record", bound=PolicyRecord)


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses a mapping with the same key twice, which YAML would let win silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if any(key in keys[:place] for place, key in enumerate(keys)):
            raise yaml.constructor.ConstructorError(None, None, "duplicate key", node.start_mark)
        return super().construct_mapping(node, deep)


def read_policy(record: type[Record], name_or_file: str | Path, built_in: Path) -> Record:
    """The policy of a built-in name (a file in the folder ``built_in``) or of a YAML file.

    Raises :class:`SettingsError` when there is no such policy, the file is no YAML mapping, or a key is
    unknown, missing or has a value that is not allowed; the error names file and key.
    """
    path = policy_path(str(name_or_file), built_in)
    return parse_policy(record, read_text(path), path)


def read_text(path: Path) -> str:
    """The text of a policy file. Raises :class:`SettingsError` when it cannot be read."""
    text: str | None = None
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = path.read_text(encoding="utf-8")
    if text is None:
        raise SettingsError("A policy file cannot be read", hint="Give a UTF-8 YAML file", file=path)
    return text


def parse_policy(record: type[Record], text: str, path: Path) -> Record:
    """The policy that ``text`` holds; ``path`` is for messages only. Raises :class:`SettingsError`."""
    return _checked(record, parse_mapping(text, path), path)


def parse_mapping(text: str, path: Path) -> dict[object, object]:
    """The YAML mapping that ``text`` holds, not yet checked. Raises :class:`SettingsError`."""
    value: object = None
    line: int | None = None
    try:
        value = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - derives from the safe loader
    except yaml.YAMLError as failure:
        mark = getattr(failure, "problem_mark", None) or getattr(failure, "context_mark", None)
        line = mark.line + 1 if mark else 0
    if line is not None:
        raise SettingsError("A policy file is not YAML, or names a key twice", file=path, line=line)
    if not isinstance(value, dict):
        raise SettingsError("A policy file is empty or no mapping", file=path)
    return value


def safe_label(text: str) -> Label:
    """``text`` as a label, or a stand-in when it has no form of a name."""
    try:
        return Label(text)
    except ValueError:
        return Label("a-key-that-is-no-name")


def policy_path(name: str, built_in: Path) -> Path:
    """The file of a built-in policy, or of a path that ends in .yaml. Raises :class:`SettingsError`."""
    if name.endswith(_SUFFIXES):
        return Path(name)
    path = built_in / f"{name}.yaml"
    if "/" in name or not path.is_file():
        known = ", ".join(sorted(p.stem for p in built_in.glob("*.yaml")))
        raise SettingsError(
            "There is no built-in policy of this name",
            hint=f"Built in: {known}. A file of your own must end in .yaml",
            name=safe_label(name),
        )
    return path


_MESSAGES = {
    "extra_forbidden": "A policy file has a key that is not known",
    "missing": "A policy file lacks a key that is needed",
}


def _checked(record: type[Record], value: object, path: Path) -> Record:
    checked: Record | None = None
    problems: list[tuple[str, str]] = []
    try:
        checked = record.model_validate(value)
    except ValidationError as failure:
        for problem in failure.errors(include_url=False, include_input=False, include_context=False):
            problems.append((".".join(str(part) for part in problem["loc"]), problem["type"]))
    if checked is None:
        key, kind = problems[0]
        raise SettingsError(
            _MESSAGES.get(kind, "A policy file has a value that is not allowed"),
            hint="The README beside the built-in policies lists the keys",
            file=path,
            key=safe_label(key or "the-whole"),
            problem=Label(kind),
            problems=len(problems),
        )
    return checked


__all__ = [
    "PolicyRecord",
    "parse_mapping",
    "parse_policy",
    "policy_path",
    "read_policy",
    "read_text",
    "safe_label",
]
