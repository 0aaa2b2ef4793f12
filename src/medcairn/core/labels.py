"""Names that we minted, told apart by type from text that came out of data."""

from __future__ import annotations

import re
from typing import Self

_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,:/@+=<>\[\]%()-]{0,199}\Z")


class Label(str):
    """A short name that is safe to show and to record: a stage, a column, a code path, a resource type.

    Constructing one is a statement by the author: this text was minted by us or belongs to a public
    standard, and is not a value of a patient. Spaces are refused, so that a sentence or a person's full
    name does not slip through by accident.

    Raises ``ValueError`` (with constant text) when the text does not have the form of a name.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if not _LABEL.match(text):
            raise ValueError("not a label: letters, digits and _.,:/@+=<>[]%()- only, 1 to 200 of them")
        return super().__new__(cls, text)


__all__ = ["Label"]
