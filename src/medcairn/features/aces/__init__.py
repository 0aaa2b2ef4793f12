"""ACES tasks: read from their YAML, executed over MEDS rows."""

from medcairn.features.aces.config import is_aces, load_aces
from medcairn.features.aces.execution import AcesRows, Passed, execute
from medcairn.features.aces.task import AcesTask

__all__ = ["AcesRows", "AcesTask", "Passed", "execute", "is_aces", "load_aces"]
