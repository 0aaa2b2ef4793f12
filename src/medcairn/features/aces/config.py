"""Reads ACES YAML: what we can execute becomes an :class:`AcesTask`, all else is refused by its key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pydantic import Field

from medcairn.core.canonical import JSON
from medcairn.core.errors import SettingsError
from medcairn.features.aces.bounds import parse_bound
from medcairn.features.aces.predicates_file import parse_predicate
from medcairn.features.aces.task import (
    ANY_EVENT,
    SPECIAL,
    TRIGGER,
    AcesTask,
    Count,
    Derived,
    Plain,
    Predicate,
    Window,
)
from medcairn.features.aces.timeline import label_comes_after, ordered
from medcairn.features.policy_file import PolicyRecord, parse_policy, read_text, safe_label

_TASK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}\Z")
_COUNT = re.compile(r"\(?\s*(\d+|None)?\s*,\s*(\d+|None)?\s*\)?\Z")


class _WindowFile(PolicyRecord):
    start: str | None
    end: str | None
    start_inclusive: bool
    end_inclusive: bool
    has: dict[str, str] = Field(default_factory=dict)
    label: str | None = None
    index_timestamp: str | None = None


class _PredicatesFile(PolicyRecord):
    metadata: object = None
    description: object = None
    predicates: dict[str, object] = Field(default_factory=dict)
    patient_demographics: dict[str, object] = Field(default_factory=dict)


class _AcesFile(_PredicatesFile):
    trigger: str
    windows: dict[str, _WindowFile] = Field(min_length=1)


def is_aces(document: object) -> bool:
    """Whether a YAML document has the form of an ACES task: it names a trigger."""
    return isinstance(document, Mapping) and TRIGGER in document


def load_aces(path: Path, *, predicates: Path | None = None) -> AcesTask:
    """The ACES task of a YAML file; ``predicates`` is a file whose predicates go before the task's own.

    The task's name is the file's.

    Raises :class:`SettingsError` that names the key at fault: a construct that cannot be executed, an
    undefined predicate or window, no label, no index_timestamp, or a label that is sought where inputs are.
    """
    own = parse_policy(_AcesFile, read_text(path), path)
    other = (
        parse_policy(_PredicatesFile, read_text(predicates), predicates) if predicates else _PredicatesFile()
    )
    return _Reading(
        path,
        own,
        {**own.predicates, **other.predicates},
        {**own.patient_demographics, **other.patient_demographics},
    ).task()


@dataclass(frozen=True)
class _Reading:
    """One call of :func:`load_aces`."""

    path: Path
    file: _AcesFile
    predicates: Mapping[str, object]
    demographics: Mapping[str, object]

    def task(self) -> AcesTask:
        if not _TASK_NAME.match(self.path.stem):
            self._refuse("the-whole", "The file's name is the task's: letters, digits, _ and - only")
        everything = {
            **{name: self._predicate("predicates", name, entry) for name, entry in self.predicates.items()},
            **{name: self._static(name, entry) for name, entry in self.demographics.items()},
        }
        windows = tuple(self._window(name, entry) for name, entry in self.file.windows.items())
        used = self._used(windows, everything)
        self._check_labels(windows)
        in_order = ordered(windows)
        if isinstance(in_order, str):
            self._refuse(f"windows.{in_order}", "A window refers to no trigger or window, or in a circle")
        statics = tuple(n for n, p in used.items() if isinstance(p, Plain) and p.static)
        self._check_statics(windows, statics)
        task = AcesTask(self.path.stem, used, statics, self.file.trigger, in_order, self._definition())
        if not label_comes_after(task):
            self._refuse(
                f"windows.{task.label_window.name}",
                "The label's window reaches back to the prediction time or before",
                hint="Begin it at the end of the input or gap window, with start_inclusive: False",
            )
        return task

    def _predicate(self, section: str, name: str, entry: object) -> Predicate:
        if not re.match(r"\w+\Z", name) or name in SPECIAL or name == TRIGGER:
            self._refuse(section, "A predicate's name is no word, or has a meaning already")
        found = parse_predicate(entry)
        if isinstance(found, str):
            self._refuse(".".join(filter(None, (section, name, found))), "A predicate cannot be executed")
        return found

    def _static(self, name: str, entry: object) -> Plain:
        found = self._predicate("patient_demographics", name, entry)
        if isinstance(found, Derived):
            self._refuse(f"patient_demographics.{name}", "A demographic cannot be derived")
        return Plain(**{**vars(found), "static": True})

    def _window(self, name: str, entry: _WindowFile) -> Window:
        key = f"windows.{name}"
        if not re.match(r"\w+\Z", name) or name in (TRIGGER, "start", "end"):
            self._refuse("windows", "A window's name is no word, or has a meaning already")
        start, end = parse_bound(entry.start, is_start=True), parse_bound(entry.end, is_start=False)
        if start is None:
            self._refuse(f"{key}.start", "A window's end cannot be read")
        if end is None:
            self._refuse(f"{key}.end", "A window's end cannot be read")
        has = tuple(self._count(f"{key}.has.{on}", on, text) for on, text in entry.has.items())
        if (start.reference == "end") == (end.reference == "start"):
            self._refuse(key, "Exactly one end of a window must refer to the other")
        window = Window(
            name,
            start,
            end,
            entry.start_inclusive,
            entry.end_inclusive,
            has,
            entry.label,
            entry.index_timestamp,
        )
        other = window.other
        backward = other.shift_us < 0 or (other.event is not None and not other.forward)
        forward = other.shift_us > 0 or (other.event is not None and other.forward)
        if (window.from_end and forward) or (not window.from_end and backward):
            self._refuse(key, "A window's start does not come before its end")
        if other.is_reference and (has or entry.label or entry.index_timestamp):
            self._refuse(key, "A window has no length, so nothing can be counted or placed in it")
        return window

    def _count(self, key: str, predicate: str, text: str) -> Count:
        found = _COUNT.match(text.strip())
        if found is None:
            self._refuse(key, "A count is not of the form (least, most)")
        least, most = (None if item in (None, "None") else int(item) for item in found.groups())
        if (least is None and most is None) or (least is not None and most is not None and most < least):
            self._refuse(key, "A count has no limit, or a most that is below its least")
        return Count(predicate, least, most)

    def _used(self, windows: tuple[Window, ...], everything: Mapping[str, Predicate]) -> dict[str, Predicate]:
        """The predicates that the task needs, inputs before what is derived from them."""
        used: dict[str, Predicate] = {}

        def need(name: str, key: str, above: tuple[str, ...] = ()) -> None:
            if name in SPECIAL or name in used:
                return
            if name not in everything:
                self._refuse(key, "A predicate is not defined")
            if name in above:
                self._refuse(f"predicates.{name}", "A predicate is derived from itself")
            predicate = everything[name]
            for one in predicate.inputs if isinstance(predicate, Derived) else ():
                need(one, f"predicates.{name}.expr", (*above, name))
            used[name] = predicate

        need(self.file.trigger, TRIGGER)
        for key, name in _named(windows):
            need(name, key)
        for name in self.demographics:
            need(name, f"patient_demographics.{name}")
        return used

    def _check_labels(self, windows: tuple[Window, ...]) -> None:
        labels = [window for window in windows if window.label]
        places = [window for window in windows if window.index_timestamp]
        if len(labels) != 1:
            self._refuse("windows", "A task needs exactly one window with a label, its outcome")
        if len(places) != 1:
            self._refuse(
                "windows", "A task needs exactly one window with an index_timestamp, when it predicts"
            )
        window = places[0]
        key = f"windows.{window.name}.index_timestamp"
        if window.index_timestamp not in ("start", "end"):
            self._refuse(key, "index_timestamp is start or end")
        if window.from_end and window.other.event is None:
            self._refuse(
                key,
                "index_timestamp of a window that is counted back by a duration is read in two ways",
                hint="es-aces takes the opposite end there; put it on another window, that begins then",
            )
        if labels[0].label in SPECIAL:
            self._refuse(f"windows.{labels[0].name}.label", "A label is a predicate of its own")

    def _check_statics(self, windows: tuple[Window, ...], statics: tuple[str, ...]) -> None:
        for key, name in (*_named(windows), (TRIGGER, self.file.trigger)):
            if name in statics:
                self._refuse(key, "A predicate without a time cannot be counted or sought in a window")

    def _definition(self) -> dict[str, JSON]:
        windows: dict[str, JSON] = {
            name: dict(window.model_dump(mode="json")) for name, window in self.file.windows.items()
        }
        return {
            "predicates": _plain_json(self.predicates),
            "patient_demographics": _plain_json(self.demographics),
            "trigger": self.file.trigger,
            "windows": windows,
        }

    def _refuse(self, key: str, message: str, *, hint: str = "") -> NoReturn:
        raise SettingsError(
            message,
            hint=hint or "features/aces/README.md says which constructs of ACES are executed",
            file=self.path,
            key=safe_label(key),
        )


def _named(windows: tuple[Window, ...]) -> Iterator[tuple[str, str]]:
    """Key and predicate of every place where a window names one."""
    for window in windows:
        for end, bound in (("start", window.start), ("end", window.end)):
            if bound.event is not None:
                yield f"windows.{window.name}.{end}", bound.event
        for count in window.has:
            yield f"windows.{window.name}.has.{count.predicate}", count.predicate
        if window.label:
            yield f"windows.{window.name}.label", window.label


def _plain_json(value: object) -> JSON:
    if isinstance(value, Mapping):
        return {str(key): _plain_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_json(item) for item in value]
    return value if isinstance(value, (bool, int, float, str)) or value is None else str(value)


__all__ = ["ANY_EVENT", "is_aces", "load_aces"]
