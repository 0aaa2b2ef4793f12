"""A plain de-identifier of the same policy: orjson, recursion, and rules looked up by path.

It does the work that ours does on well-formed input (allow-list, code checks, pseudonyms, dates on the
interval axis, two passes) and none of the care: no quarantine, no counts, no ages, no odd references.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from medcairn.deid import Policy, safe_harbor
from medcairn.deid.codes import compile_rules
from medcairn.deid.policy import Group, Node

_KEY = b"k" * 32

Rule = Any  # a mapping of rules, or (kind, arguments)


def plain_deid(paths: list[Path], out: Path) -> tuple[int, int]:
    """Write what may leave of ``paths`` to one file; resources and bytes read."""
    return _Plain(safe_harbor()).run(paths, out)


class _Plain:
    def __init__(self, policy: Policy) -> None:
        vocabulary = policy.vocabulary
        self._rules = {name: _rules(resource.fields) for name, resource in policy.resources.items()}
        self._checks: Mapping[str, Callable[[str], bool]] = compile_rules(vocabulary.systems)
        self._units = vocabulary.units | vocabulary.unit_words

    def run(self, paths: list[Path], out: Path) -> tuple[int, int]:
        shifts = self._shifts(paths)
        items = size = 0
        with out.open("wb") as stream:
            for path in paths:
                for line in path.open("rb"):
                    resource = orjson.loads(line)
                    kind = resource["resourceType"]
                    left = self._change(resource, self._rules[kind], shifts.get(_subject(resource) or ""))
                    head = {"resourceType": kind, "id": _pseudonym(kind, resource["id"])}
                    stream.write(orjson.dumps({**head, **(left or {})}) + b"\n")
                    items, size = items + 1, size + len(line)
        return items, size

    def _shifts(self, paths: list[Path]) -> dict[str, timedelta]:
        """What brings each subject's first day to 1 January."""
        first: dict[str, datetime] = {}
        for path in paths:
            for line in path.open("rb"):
                resource = orjson.loads(line)
                subject = _subject(resource)
                if subject is not None:
                    for text in _dates(resource, self._rules[resource["resourceType"]]):
                        when = _moment(text)
                        if subject not in first or when < first[subject]:
                            first[subject] = when
        return {subject: date(when.year, 1, 1) - when.date() for subject, when in first.items()}

    def _change(self, value: Any, rule: Rule, shift: timedelta | None) -> Any:
        if isinstance(value, list):
            return [kept for item in value if (kept := self._change(item, rule, shift)) is not None] or None
        if isinstance(rule, dict):
            changed = {
                key: self._change(item, rule[key], shift) for key, item in value.items() if key in rule
            }
            return {key: item for key, item in changed.items() if item is not None} or None
        kind, arguments = rule
        return self._leaf(value, kind, arguments, shift)

    def _leaf(self, value: Any, kind: str, arguments: frozenset[str], shift: timedelta | None) -> Any:
        if kind == "code":
            return value if value in arguments else None
        if kind == "CodeableConcept":
            codings = [kept for item in value.get("coding", ()) if (kept := self._coding(item))]
            return {"coding": codings} if codings else None
        if kind == "Coding":
            return self._coding(value)
        if kind == "Reference":
            target, _, source_id = (value.get("reference") or "").partition("/")
            return {"reference": f"{target}/{_pseudonym(target, source_id)}"} if target in arguments else None
        if kind == "dateTime":
            form = "%Y-%m-%dT%H:%M:%SZ" if len(value) > 10 else "%Y-%m-%d"
            return None if shift is None else (_moment(value) + shift).strftime(form)
        if kind == "Quantity":
            units = {key: value[key] for key in ("unit", "code") if value.get(key) in self._units}
            return {key: value[key] for key in ("value", "comparator", "system") if key in value} | units
        if kind == "birthYear":
            return value[:4]
        return value if kind in ("boolean", "integer", "decimal") else None

    def _coding(self, value: Any) -> dict[str, str] | None:
        check = self._checks.get(value.get("system"))
        if check is None or not check(value.get("code", "")):
            return None
        return {"system": value["system"], "code": value["code"]}


def _rules(fields: Mapping[str, Node]) -> Rule:
    return {
        key: _rules(node.fields) if isinstance(node, Group) else (node.kind, frozenset(node.arguments))
        for key, node in fields.items()
    }


def _dates(value: Any, rule: Rule) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _dates(item, rule)
    elif isinstance(rule, dict):
        for key, item in value.items():
            if key in rule:
                yield from _dates(item, rule[key])
    elif rule[0] == "dateTime":
        yield value


def _subject(resource: Any) -> str | None:
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    reference = (resource.get("subject") or resource.get("patient") or {}).get("reference") or ""
    return reference.split("/")[-1] if reference.startswith("Patient/") else None


def _moment(text: str) -> datetime:
    when = datetime.fromisoformat(text + "-01-01"[: 10 - len(text)] if len(text) < 10 else text)
    return when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo else when


def _pseudonym(kind: str, source_id: str) -> str:
    return hmac.digest(_KEY, f"pseudonym\0{kind}\0{source_id}".encode(), "sha256").hex()[:32]
