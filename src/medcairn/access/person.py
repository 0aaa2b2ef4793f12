"""A person of a study, and what their names may look like."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from medcairn.access.roles import Role
from medcairn.core.canonical import JSON
from medcairn.core.errors import UsageError
from medcairn.core.labels import Label

_LONGEST_NAME = 64
_LONGEST_PRINTED_NAME = 200


@dataclass(frozen=True)
class Person:
    """Someone who may act in a study.

    ``public_key`` (hex) checks this person's e-signatures; it is empty for somebody who cannot sign now:
    invited or reset and the password not yet set, or the key revoked.
    """

    name: Label
    printed_name: str
    roles: frozenset[Role]
    public_key: str

    def as_json(self) -> dict[str, JSON]:
        return {
            "name": self.name,
            "printed_name": self.printed_name,
            "roles": sorted(role.value for role in self.roles),
            "public_key": self.public_key,
        }


def checked_name(name: str) -> Label:
    """``name`` when it has the form of one. Raises :class:`UsageError`."""
    label: Label | None = None
    with suppress(ValueError):
        label = Label(name)
    if label is None or len(name) > _LONGEST_NAME:
        raise UsageError("A person's name has 1 to 64 letters, digits, dots, dashes or @, and no spaces")
    return label


def checked_printed_name(printed_name: str) -> str:
    """``printed_name`` without outer spaces. Raises :class:`UsageError`."""
    short = printed_name.strip()
    if not short or not printed_name.isprintable() or len(printed_name) > _LONGEST_PRINTED_NAME:
        raise UsageError("A printed name is needed, on one line and at most 200 characters long")
    return short


def checked_roles(roles: Iterable[Role]) -> frozenset[Role]:
    """``roles`` when there is at least one. Raises :class:`UsageError`."""
    found = frozenset(roles)
    if not found:
        raise UsageError("A person needs at least one role")
    return found


__all__ = ["Person", "checked_name", "checked_printed_name", "checked_roles"]
