"""The de-identification policy as records: what may leave, read from ``policies/*.yaml``."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TypeAlias, Union, cast

import yaml

from medcairn.core.canonical import JSON
from medcairn.core.digests import Digest, digest_json
from medcairn.core.errors import SettingsError, UsageError
from medcairn.core.labels import Label

RULES_VERSION = 2
"""Raised when the code that gives the kinds their meaning changes what leaves; part of the digest."""

_KIND = re.compile(r"(?P<kind>[A-Za-z]+)(?:\((?P<arguments>[^()]*)\))?(?P<many>\*)?\Z")


@dataclass(frozen=True)
class Leaf:
    """One element: its kind, the kind's arguments, and whether it repeats."""

    kind: str
    arguments: tuple[str, ...] = ()
    many: bool = False


@dataclass(frozen=True)
class Group:
    """Elements that belong together (a BackboneElement or datatype)."""

    fields: Mapping[str, Node]
    many: bool = False


Node: TypeAlias = Union[Leaf, Group]


@dataclass(frozen=True)
class ResourcePolicy:
    """What may leave of one resource type, and which element names the subject (None: no dates at all)."""

    name: str
    subject: str | None
    fields: Mapping[str, Node]


@dataclass(frozen=True)
class CodeRule:
    """When a code of a system is well formed: a named form, a pattern, or a closed list."""

    form: str | None = None
    pattern: str | None = None
    codes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Vocabulary:
    """The codes, units and places that may leave.

    ``age_limits``: by unit, in folded spelling, the highest number that is no age over 89. ``telling``: the
    codes, by system, of observations whose value tells an ``age`` or an ``identity``.
    """

    systems: Mapping[str, CodeRule]
    units: frozenset[str]
    unit_words: frozenset[str]
    age_limits: Mapping[str, int]
    telling: Mapping[str, Mapping[str, frozenset[str]]]
    states: Mapping[str, str]
    zip_table: str
    zip_areas: frozenset[str]


@dataclass(frozen=True)
class Policy:
    """A whole policy. ``digest`` is that of the canonical form of all its files."""

    name: str
    version: int
    resources: Mapping[str, ResourcePolicy]
    vocabulary: Vocabulary
    digest: Digest


@cache
def safe_harbor() -> Policy:
    """The shipped policy after 45 CFR 164.514(b)(2)."""
    return parse_policy(_shipped("safe_harbor"), _shipped("codes"))


def read_policy(path: Path) -> Policy:
    """A policy of one's own, from a file in the form of the shipped ``policies/safe_harbor.yaml``.

    The codes that may leave are the shipped ones, unless ``codes:`` in the file names another file beside
    it. Its ``name`` may not be that of the shipped policy, so that nobody takes the one for the other.

    Raises :class:`UsageError` when a file cannot be read, :class:`SettingsError` when it is no policy.
    """
    elements = _read(path)
    root = _mapping(elements, "policy")
    if root.get("name") == safe_harbor().name:
        raise SettingsError("A policy of your own needs a name of its own", file=path)
    codes = root.get("codes")
    vocabulary = _shipped("codes") if codes is None else _read(path.parent / Path(str(codes)).name)
    return parse_policy(elements, vocabulary)


def _read(path: Path) -> JSON:
    text, value = None, None
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = path.read_text(encoding="utf-8")
    if text is None:
        raise UsageError("The policy file cannot be read", file=path)
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise SettingsError("The policy file is no YAML mapping", file=path)
    return cast(JSON, value)


def parse_policy(elements: JSON, codes: JSON) -> Policy:
    """A policy from the content of its two files.

    Raises :class:`SettingsError` that names the element at fault.
    """
    digest = digest_json({"rules": RULES_VERSION, "elements": elements, "codes": codes})
    root = _mapping(elements, "policy")
    _refuse_others(root, ("name", "version", "codes", "groups", "resources"), "policy")
    named: dict[str, Group] = {}
    for name, value in _mapping(root.get("groups", {}), "groups").items():
        named[name] = _group(value, name, named)
    return Policy(
        name=_name(root.get("name")),
        version=_version(root.get("version")),
        resources={
            name: _resource(name, _mapping(value, name), named)
            for name, value in _mapping(root.get("resources"), "resources").items()
        },
        vocabulary=_vocabulary(_mapping(codes, "codes")),
        digest=digest,
    )


def _name(value: JSON) -> str:
    if isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9-]{0,39}", value):
        return value
    raise SettingsError("A policy needs a name of small letters, digits and hyphens")


def _version(value: JSON) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise SettingsError("A policy needs a version, a whole number from 1")


def _resource(name: str, value: Mapping[str, JSON], named: Mapping[str, Group]) -> ResourcePolicy:
    _refuse_others(value, ("subject", "fields"), name)
    subject = value.get("subject")
    fields = _group(value.get("fields"), name, named).fields
    if subject not in (None, "id") and subject not in fields:
        raise SettingsError("A policy names a subject element that it does not list", element=Label(name))
    return ResourcePolicy(name, None if subject is None else str(subject), fields)


def _group(value: JSON, path: str, named: Mapping[str, Group]) -> Group:
    fields = {key: _node(item, f"{path}.{key}", named) for key, item in _mapping(value, path).items()}
    return Group(fields)


def _node(value: JSON, path: str, named: Mapping[str, Group]) -> Node:
    if isinstance(value, list):
        if len(value) != 1:
            raise SettingsError("A repeating group of a policy holds exactly one group", element=Label(path))
        return Group(_group(value[0], path, named).fields, many=True)
    if isinstance(value, Mapping):
        return _group(value, path, named)
    match = _KIND.match(value) if isinstance(value, str) else None
    if match is None:
        raise SettingsError("A policy has an element that cannot be read", element=Label(path))
    kind, many = match["kind"], match["many"] is not None
    if kind in named:
        return Group(named[kind].fields, many)
    arguments = tuple(match["arguments"].split("|")) if match["arguments"] else ()
    return Leaf(kind, arguments, many)


def _vocabulary(value: Mapping[str, JSON]) -> Vocabulary:
    zip3 = _mapping(value["zip3"], "zip3")
    return Vocabulary(
        systems={
            system: _code_rule(_mapping(rule, "systems"))
            for system, rule in _mapping(value["systems"], "systems").items()
        },
        units=frozenset(cast("list[str]", value["units"])),
        unit_words=frozenset(cast("list[str]", value["unit_words"])),
        age_limits=cast("dict[str, int]", value["age_limits"]),
        telling={
            word: {
                system: frozenset(cast("list[str]", codes))
                for system, codes in _mapping(systems, "telling").items()
            }
            for word, systems in _mapping(value.get("telling", {}), "telling").items()
        },
        states=cast("dict[str, str]", value["states"]),
        zip_table=str(zip3["table"]),
        zip_areas=frozenset(cast("list[str]", zip3["areas"])),
    )


def _code_rule(value: Mapping[str, JSON]) -> CodeRule:
    form, pattern = value.get("form"), value.get("pattern")
    return CodeRule(
        form=None if form is None else str(form),
        pattern=None if pattern is None else str(pattern),
        codes=frozenset(cast("list[str]", value.get("codes", []))),
    )


def _refuse_others(value: Mapping[str, JSON], known: tuple[str, ...], path: str) -> None:
    others = len(set(value) - set(known))
    if others:
        raise SettingsError("A policy has keys that mean nothing", element=Label(path), keys=others)


def _mapping(value: JSON, path: str) -> Mapping[str, JSON]:
    if not isinstance(value, Mapping):
        raise SettingsError("A policy lacks a mapping where one is needed", element=Label(path))
    return value


def _shipped(name: str) -> JSON:
    text = resources.files("medcairn.deid").joinpath("policies", f"{name}.yaml").read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return cast(JSON, yaml.load(text, Loader=loader))  # noqa: S506 (a safe loader, and our own file)


__all__ = [
    "RULES_VERSION",
    "CodeRule",
    "Group",
    "Leaf",
    "Node",
    "Policy",
    "ResourcePolicy",
    "Vocabulary",
    "parse_policy",
    "read_policy",
    "safe_harbor",
]
