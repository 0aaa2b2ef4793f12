"""The nine-stage record as lines for a terminal or a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from medcairn.audit.record.nine_stages import NineStageRecord, Told, ToldStep
from medcairn.core.canonical import JSON

_NAME_WIDTH = 24
_MOST_ITEMS = 12
_NUMBERS_AS_NAMES = frozenset({"seed"})


def record_text(record: NineStageRecord) -> Iterator[str]:
    """The lines: a heading for each step, a line for each field, unknown ones with the reason."""
    yield f"Nine-stage record of {record.identifier}"
    for step in record.steps:
        yield ""
        yield _heading(step)
        for told in step.fields:
            value = f"unknown: {told.unknown}" if told.unknown else _field(told)
            yield f"   {told.name.replace('_', ' '):<{_NAME_WIDTH}} {value}"
    yield ""
    yield f"{record.unknown} fields are unknown"


def _heading(step: ToldStep) -> str:
    where = (
        f"entry {step.entry}, run {step.run_id}, {step.when.value}" if step.entry is not None else step.when
    )
    return f"{step.number}  {step.title}  ({where})"


def _field(told: Told) -> str:
    return str(told.value) if told.name in _NUMBERS_AS_NAMES else value_text(told.value)


def value_text(value: JSON) -> str:
    """A value of the ledger on one line; a long list as its length and its beginning."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    if isinstance(value, str) or value is None:
        return str(value or "none")
    if isinstance(value, Mapping):
        if {"value", "low", "high"} <= value.keys():
            if value["low"] == value["high"]:
                return value_text(value["value"])
            return f"{value_text(value['value'])} ({value_text(value['low'])} to {value_text(value['high'])})"
        return ", ".join(f"{name} {_inner(item)}" for name, item in value.items()) or "none"
    shown = ", ".join(value_text(item) for item in value[:_MOST_ITEMS])
    more = f", … ({len(value)} in all)" if len(value) > _MOST_ITEMS else ""
    return f"{shown}{more}" or "none"


def _inner(item: JSON) -> str:
    text = value_text(item)
    nested = isinstance(item, Mapping | Sequence) and not isinstance(item, str)
    return f"[{text}]" if nested and "," in text else text


__all__ = ["record_text", "value_text"]
