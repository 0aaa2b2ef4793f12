"""Lakehouse: de-identified NDJSON to bronze (whole resources) and silver (typed clinical facts) in Delta.

Names are imported when they are asked for: a worker process of bronze has no use for silver's concepts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medcairn.lakehouse.bronze import BronzeReport, build_bronze
    from medcairn.lakehouse.silver import SilverReport, UnmappedCode, build_silver, silver_from_resources

_BRONZE = ("BronzeReport", "build_bronze")
_SILVER = ("SilverReport", "UnmappedCode", "build_silver", "silver_from_resources")


def __getattr__(name: str) -> object:
    for package, names in (("bronze", _BRONZE), ("silver", _SILVER)):
        if name in names:
            return getattr(import_module(f"{__name__}.{package}"), name)
    raise AttributeError(name)


__all__ = [
    "BronzeReport",
    "SilverReport",
    "UnmappedCode",
    "build_bronze",
    "build_silver",
    "silver_from_resources",
]
