"""Changes remembered by what they change: in a hospital's data most elements recur, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from medcairn.deid.passage import Passage
from medcairn.deid.tally import Loss

_LIMIT_BYTES = 4 << 20
_ENTRY_BYTES = 300
_LONGEST_KEY_BYTES = 2_000


class Remembered:
    """A change that looks at nothing but the value, which ``key`` stands for.

    ``seen`` maps the keys of values that lost nothing to what leaves, so that whoever holds it needs no
    call; what a change counts as lost is counted again each time. A result that depended on the subject, or
    on a code beside the value, is not kept: :attr:`Passage.asked` tells.
    """

    def __init__(self, change: Callable[[object], bytes | None], prefix: bytes, passage: Passage) -> None:
        self.seen: dict[Any, bytes] = {}
        self._lossy: dict[Any, tuple[bytes, tuple[Loss, ...]]] = {}
        self._change = change
        self._prefix = prefix
        self._passage = passage
        self._room = _LIMIT_BYTES

    def __call__(self, key: Any, value: object) -> bytes:  # bytes or str, the same for all keys of one change
        """What may leave of ``value``, after the prefix; nothing at all when nothing may."""
        passage, lost = self._passage, self._passage.lost
        if key in self._lossy:
            found, losses = self._lossy[key]
            lost.extend(losses)
            return found
        mark, asked, passage.asked = len(lost), passage.asked, False
        changed = self._change(value)
        found = b"" if changed is None else self._prefix + changed
        depends = passage.asked
        passage.asked = asked or depends  # who remembers what holds this value depends on it too
        if depends or len(key) > _LONGEST_KEY_BYTES:
            return found
        self._room -= len(key) + len(found) + _ENTRY_BYTES
        if self._room < 0:
            self._room = _LIMIT_BYTES
            self.seen.clear()
            self._lossy.clear()
        if len(lost) == mark:
            self.seen[key] = found
        else:
            self._lossy[key] = found, tuple(lost[mark:])
        return found


__all__ = ["Remembered"]
