"""The silver tables as the builder sees them: columns of a row's own, columns that recur, order of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import pyarrow as pa

from medcairn.core.silver import SILVER_SCHEMAS
from medcairn.lakehouse.silver.typed import RECIPES

QUARANTINE = "quarantine"
QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field("subject_id", pa.string()),
        pa.field("table", pa.string()),
        pa.field("resource_type", pa.string()),
        pa.field("id", pa.string()),
        pa.field("version", pa.int32()),
        pa.field("component", pa.int32()),
        pa.field("reason", pa.string()),
    ]
)
"""What silver could not use: where it stands and why. ``subject_id`` is empty when there is none."""

_TIME_OF = {
    "encounter": "start_time",
    "observation": "effective_time",
    "condition": "onset_time",
    "medication": "start_time",
    "procedure": "start_time",
    "immunization": "occurrence_time",
    "allergy": "onset_time",
    "diagnostic_report": "effective_time",
}
_VERSIONED = ("version", "available_time", "superseded_time", "current")
PROFILE = pa.field("profile", pa.int32())


@dataclass(frozen=True)
class Shape:
    """One table. ``own`` and ``shared`` are its columns without those of subject and version.

    ``id`` is the column of the resource's id, ``resource_types`` what the rows come from.
    """

    name: str
    schema: pa.Schema
    own: tuple[str, ...]
    shared: tuple[str, ...]
    sort_keys: tuple[str, ...]
    id: str
    resource_types: tuple[str, ...]

    @cached_property
    def narrow(self) -> pa.Schema:
        """Rows on their way: subject, own columns, version, and the number of the profile for the rest."""
        versioned = [name for name in _VERSIONED if name in self.schema.names]
        fields = [self.schema.field(name) for name in dict.fromkeys(("subject_id", *self.own, *versioned))]
        return pa.schema([*fields, PROFILE])

    @cached_property
    def profiles(self) -> pa.Schema:
        """What the profiles hold."""
        return pa.schema([self.schema.field(name) for name in self.shared])


def _shape(name: str) -> Shape:
    recipes = [recipe for recipe in RECIPES.values() if recipe.table == name]
    own = recipes[0].own
    id = own[0] if name != "patient" else "subject_id"
    keys = ["subject_id", _TIME_OF.get(name), id if name != "patient" else None]
    keys += ["component"] if "component" in own else []
    keys += ["resource_type"] if len(recipes) > 1 else []
    return Shape(
        name,
        SILVER_SCHEMAS[name],
        own,
        recipes[0].shared,
        (*(key for key in keys if key), "version"),
        id,
        tuple(recipe.resource_type for recipe in recipes),
    )


SHAPES: Mapping[str, Shape] = MappingProxyType(
    {name: _shape(name) for name in SILVER_SCHEMAS}
    | {
        QUARANTINE: Shape(
            QUARANTINE,
            QUARANTINE_SCHEMA,
            tuple(QUARANTINE_SCHEMA.names[1:]),
            (),
            tuple(QUARANTINE_SCHEMA.names),
            "id",
            tuple(RECIPES),
        )
    }
)
"""Every table that the builder writes."""

__all__ = ["PROFILE", "QUARANTINE", "QUARANTINE_SCHEMA", "SHAPES", "Shape"]
