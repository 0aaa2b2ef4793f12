"""Silver: typed tables of clinical facts, from ViewDefinitions and one typing function a resource type.

Names are imported when they are asked for: the bedside needs no Delta tables, and a worker no bedside.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medcairn.lakehouse.silver.build import build_silver
    from medcairn.lakehouse.silver.memory import silver_from_resources
    from medcairn.lakehouse.silver.report import SilverReport, UnmappedCode

_HOMES = {
    "SilverReport": "report",
    "UnmappedCode": "report",
    "build_silver": "build",
    "silver_from_resources": "memory",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(name)


__all__ = ["SilverReport", "UnmappedCode", "build_silver", "silver_from_resources"]
