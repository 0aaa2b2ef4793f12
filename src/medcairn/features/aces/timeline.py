"""How the ends of windows hang on one another, before any data is read."""

from __future__ import annotations

from collections.abc import Sequence

from medcairn.features.aces.task import TRIGGER, AcesTask, Bound, Window


def ordered(windows: Sequence[Window]) -> tuple[Window, ...] | str:
    """The windows such that each refers to earlier ones only; else the name of one that cannot."""
    waiting, placed = list(windows), {TRIGGER}
    order: list[Window] = []
    while waiting:
        ready = [window for window in waiting if window.root.reference in placed]
        if not ready:
            return waiting[0].name
        for window in ready:
            placed |= {window.place("start"), window.place("end")}
            order.append(window)
            waiting.remove(window)
    return tuple(order)


def label_comes_after(task: AcesTask) -> bool:
    """False when the label's window is sure to hold the prediction time, or what precedes it.

    Two ends whose distance depends on the data cannot be compared here; the executor compares them.
    """
    places = _places(task)
    label, index = task.label_window, task.index_window
    base, start = places[label.place("start")]
    index_base, at = places[index.place(index.index_timestamp or "end")]
    if base != index_base:
        return True
    return start > at or (start == at and not label.start_inclusive)


def _places(task: AcesTask) -> dict[str, tuple[str, int]]:
    """Each end as an event and a distance from it in microseconds."""
    found = {TRIGGER: (TRIGGER, 0)}

    def place(name: str, reference: str, bound: Bound) -> None:
        base, shift = found[reference]
        found[name] = (name, 0) if bound.event is not None else (base, shift + bound.shift_us)

    for window in task.windows:
        root, other = ("end", "start") if window.from_end else ("start", "end")
        place(window.place(root), window.root.reference, window.root)
        place(window.place(other), window.place(root), window.other)
    return found


__all__ = ["label_comes_after", "ordered"]
