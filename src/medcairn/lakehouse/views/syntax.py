"""The FHIRPath subset of SQL on FHIR: text to a syntax tree.

Grammar (FHIRPath N1, restricted as the ViewDefinition specification allows), loosest first::

    or, and, equality (= !=), inequality (< <= > >=), additive (+ -), multiplicative (* /), unary (-),
    invocation (.name, .function(...), [index]), term (literal, %constant, $this, name, (expression))
"""

from __future__ import annotations

from medcairn.core import fhirpath
from medcairn.core.fhirpath import Binary, Call, Index, Literal, Name, Negative, Path, Variable


def parse_path(text: str) -> Path:
    """The syntax tree of ``text``.

    Raises :class:`SettingsError` with the position of the first character that cannot be read.
    """
    return fhirpath.parse_path(text, fhirpath.SQL_ON_FHIR)


__all__ = ["Binary", "Call", "Index", "Literal", "Name", "Negative", "Path", "Variable", "parse_path"]
