"""What the typing of one resource type consists of.

A view row is split in two. The columns from ``shared_from`` on, with the further codings of the same value,
recur in many rows (status, category, code, unit …): what they come to is worked out once and kept as a
:class:`Profile`. The columns before are the row's own (ids, times, numbers) and are typed row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from medcairn.core.concepts import Kind
from medcairn.lakehouse.silver.codings import Coding, coded

Raw: TypeAlias = tuple[object, ...]
"""A row of a ViewDefinition."""
Typed: TypeAlias = tuple[object, ...]
"""(profile, problem bits, subject_id, available µs or None, *own columns)"""

HEAD = 4
"""Values of a typed row before its own columns."""


@dataclass(slots=True, eq=False)
class Profile:
    """What the shared columns of a row come to.

    ``values`` are the silver columns that follow from them alone, ``problems`` the bits. ``rule`` is what
    typing the row's own columns needs to know of them; its form is the recipe's. ``number`` is for whoever
    collects rows.
    """

    values: tuple[object, ...]
    problems: int = 0
    rule: Any = None
    number: int = -1


Share = Callable[[Any, Sequence[Coding]], Profile]
Own = Callable[..., Typed | None]
"""What they take is a part of a row whose form only the view knows, hence Any and the dots."""


@dataclass(frozen=True)
class Recipe:
    """How rows of ``view`` become rows of the silver ``table``.

    ``own`` and ``shared`` name the silver columns that ``typed`` and ``profile`` give, in their order.
    ``typed`` takes a profile and then the row's own columns, and gives None for a row that says nothing;
    ``profile`` takes the shared ones (without those of the coding) and all codings. ``coded`` tells whether a
    value may come in several rows, one a coding; then coding_index, system and code are the view's last
    columns but for the number ``after`` of them. ``reference`` is the position of a reference to a
    Medication, before its key.
    """

    resource_type: str
    table: str
    view: str
    own: tuple[str, ...]
    shared: tuple[str, ...]
    shared_from: int
    typed: Own
    profile: Share
    coded: bool = True
    after: int = 0
    reference: int | None = None


def as_they_stand(kind: Kind | None) -> Share:
    """A profile of the shared columns as they are, then what the codings give in concepts of ``kind`` (None:
    of every kind)."""
    return lambda shared, codings: Profile((*shared, *coded(codings, kind)))


def later(first: int | None, second: int | None) -> int | None:
    """The later of two times, of which either may be unknown."""
    if first is None or (second is not None and second > first):
        return second
    return first


Recipes: TypeAlias = Mapping[str, Recipe]

__all__ = ["HEAD", "Own", "Profile", "Raw", "Recipe", "Recipes", "Share", "Typed", "as_they_stand", "later"]
