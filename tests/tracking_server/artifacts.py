"""Small artifacts of each kind that the specification names, with a place for one text."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq


def _parquet(text: str) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"seed": [1, 2], "note": ["clean", text]}), out)
    return out.getvalue()


def _zip(text: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report/a.txt", f"the score of {text}\n" * 50)
    return out.getvalue()


MAKERS: dict[str, Callable[[str], bytes]] = {
    "note.txt": lambda text: f"seen: {text}\n".encode(),
    "table.csv": lambda text: f"seed,note\n1,clean\n2,{text}\n".encode(),
    "result.json": lambda text: json.dumps({"rows": [{"note": text}]}).encode(),
    "rows.jsonl": lambda text: (json.dumps({"a": 1}) + "\n" + json.dumps({"note": text}) + "\n").encode(),
    "part.parquet": _parquet,
    "bundle.zip": _zip,
    "page.html": lambda text: f"<html><body><p>{text}</p></body></html>".encode(),
}

__all__ = ["MAKERS"]
