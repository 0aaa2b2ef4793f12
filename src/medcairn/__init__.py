"""medcairn: from FHIR export to a monitored clinical model, with one trail that anyone can check."""

from importlib.metadata import version

__version__ = version("medcairn")

__all__ = ["__version__"]
