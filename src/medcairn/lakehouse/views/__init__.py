"""ViewDefinitions (SQL on FHIR v2) compiled to SQL."""

from medcairn.lakehouse.views.compiled import CompiledView, compile_view
from medcairn.lakehouse.views.conformance import ConformanceReport, run_suite

__all__ = ["CompiledView", "ConformanceReport", "compile_view", "run_suite"]
