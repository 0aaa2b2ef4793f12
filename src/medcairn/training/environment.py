"""The packages whose versions decide the bytes of a model."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "medcairn",
    "numpy",
    "scikit-learn",
    "scipy",
    "onnx",
    "onnxruntime",
    "skl2onnx",
    "skops",
    "treelite",
)


def versions() -> dict[str, str]:
    """The versions that the model's bytes depend on; a package that is absent is left out."""
    found = {"python": ".".join(str(part) for part in sys.version_info[:3])}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


__all__ = ["versions"]
