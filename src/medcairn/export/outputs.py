"""The names of an export's files, and the clearing away of an earlier attempt."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from medcairn.core.files import storage_errors
from medcairn.core.labels import Label

QUARANTINE_FILE: Final = "quarantine.ndjson"
ERRORS_FOLDER: Final = "errors"
DELETIONS_FOLDER: Final = "deletions"
PARTIAL: Final = ".partial"

_OURS: Final = re.compile(
    r"([A-Z][A-Za-z]+\.\d{3,}|quarantine)\.ndjson(\.partial)?\Z|manifest\.json(\.partial)?\Z"
)


def file_name(resource_type: str, number: int) -> Label:
    """``Patient.000.ndjson``: the type, a number from 0, three digits or more."""
    return Label(f"{resource_type}.{number:03d}.ndjson")


def clear_outputs(folder: Path) -> None:
    """Remove what an earlier export left in ``folder``, and nothing that an export does not write."""
    with storage_errors():
        for path in folder.iterdir():
            if path.is_file() and _OURS.match(path.name):
                path.unlink()
        for name in (ERRORS_FOLDER, DELETIONS_FOLDER):
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)


__all__ = ["DELETIONS_FOLDER", "ERRORS_FOLDER", "PARTIAL", "QUARANTINE_FILE", "clear_outputs", "file_name"]
