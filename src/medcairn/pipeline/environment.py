"""What software a step ran on: versions of Python, of the system's family, and of the libraries that matter.

It stands in the event of the step's end and never in an artifact, whose digest is the same on every machine.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata

from medcairn.core.canonical import JSON
from medcairn.pipeline.stages import Step

_TABLES = ("duckdb", "pyarrow", "deltalake")
_MODELS = ("numpy", "scipy", "scikit-learn", "xgboost", "lightgbm", "interpret-core")
_FORMS = ("onnx", "onnxruntime", "skl2onnx", "treelite", "skops")

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "export": ("httpx", "obstore"),
    "deid": ("msgspec", "pyspark"),
    "lakehouse": (*_TABLES, "msgspec", "pyspark"),
    "features": (*_TABLES, "numpy", "numba", "pyspark"),
    "train": (*_MODELS, *_FORMS, "pyarrow", "mlflow"),
    "validate": (*_MODELS, *_FORMS, "pyarrow", "matplotlib", "typst"),
    "package": (*_MODELS, *_FORMS, "mlflow"),
    "deploy": ("numpy", "onnxruntime", "treelite", "skops", "fastapi", "starlette", "uvicorn"),
    "monitor": ("numpy", "scipy", "pyarrow", "matplotlib", "typst"),
    "audit": ("cryptography", "psycopg"),
}
"""For each step the distributions whose version may show in what it makes."""


def environment_of(step: Step) -> dict[str, JSON]:
    """Python's and the system's version family, medcairn's version, and those of the step's libraries.

    A library that is not installed is left out.
    """
    found = {name: _version(name) for name in ("medcairn", *LIBRARIES.get(step.name, ()))}
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "libraries": {name: version for name, version in found.items() if version is not None},
    }


@cache
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


__all__ = ["LIBRARIES", "environment_of"]
