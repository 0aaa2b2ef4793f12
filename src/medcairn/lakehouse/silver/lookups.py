"""The concept catalogue as small tables that the silver steps join."""

from __future__ import annotations

import pyarrow as pa

from medcairn.core.concepts import CONCEPTS, Concept, Kind
from medcairn.lakehouse.engine import Engine
from medcairn.lakehouse.silver.tables import macros


def prepare(engine: Engine) -> None:
    """Define the steps' functions and fill the lookup tables in ``engine``."""
    for statement in macros():
        engine.run(statement)
    for name, table in _lookups().items():
        engine.load(name, table)


def _lookups() -> dict[str, pa.Table]:
    concepts = list(CONCEPTS.values())
    tables = {f"{kind.value}_code": _codes([c for c in concepts if c.kind is kind]) for kind in Kind}
    measurements = [c for c in concepts if c.kind is Kind.MEASUREMENT]
    tables["measurement_unit"] = pa.table(
        {
            "concept": [c.name for c in measurements for _ in c.units],
            "unit": [u.name for c in measurements for u in c.units],
            "factor": [u.factor for c in measurements for u in c.units],
            "shift": [u.offset for c in measurements for u in c.units],
        }
    )
    tables["measurement_limit"] = pa.table(
        {
            "concept": [c.name for c in measurements],
            "unit": [c.canonical_unit for c in measurements],
            "low": [c.low for c in measurements],
            "high": [c.high for c in measurements],
        }
    )
    return tables


def _codes(concepts: list[Concept]) -> pa.Table:
    rows = [(system, code, False, c.name) for c in concepts for system, code in c.codes]
    rows += [(system, p.replace(".", ""), True, c.name) for c in concepts for system, p in c.prefixes]
    systems, codes, prefixes, names = zip(*rows, strict=True)
    return pa.table({"system": systems, "code": codes, "is_prefix": prefixes, "concept": names})


__all__ = ["prepare"]
