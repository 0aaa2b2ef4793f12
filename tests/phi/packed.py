"""Small artifacts of every kind, with a text of one's choice in each place where the kind can hold one."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def zipped(**members: bytes) -> bytes:
    """A zip archive; ``__`` in a name stands for a dot."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return out.getvalue()


def png(*chunks: tuple[bytes, bytes], tail: bytes = b"") -> bytes:
    """A PNG of one pixel with some chunks before its end."""
    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    every = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")]
    written = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in every)
    return b"\x89PNG\r\n\x1a\n" + b"".join(written) + tail


def jpeg(mark: int, payload: bytes, tail: bytes = b"") -> bytes:
    """The segments of a JPEG, with one of ours before the (empty) scan."""
    segment = bytes((0xFF, mark)) + struct.pack(">H", len(payload) + 2) + payload
    return b"\xff\xd8" + segment + b"\xff\xda\x00\x03\x01" + b"\x12\x34\xff\x00\x56" + b"\xff\xd9" + tail


def parquet(values: Mapping[str, list[object]], metadata: dict[str, str] | None = None) -> bytes:
    """A Parquet file."""
    out = io.BytesIO()
    pq.write_table(pa.table(dict(values)).replace_schema_metadata(metadata), out)
    return out.getvalue()


def npy(array: Any) -> bytes:
    """A NumPy file; of objects it holds a pickle."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def onnx_model(*, documentation: str = "", key: str = "k", value: str = "", tensor: bytes = b"x") -> bytes:
    """An ONNX model with texts."""
    from onnx import TensorProto, helper

    text = helper.make_tensor("names", TensorProto.STRING, [1], [tensor])  # type: ignore[list-item]
    graph = helper.make_graph([], "graph", [], [], initializer=[text])
    model = helper.make_model(graph, producer_name="tests", doc_string=documentation)
    helper.set_model_props(model, {key: value})
    data: bytes = model.SerializeToString()
    return data


def ubjson(name: bytes, text: bytes) -> bytes:
    """An object with a typed array of numbers, and a text under ``name``."""

    def written(data: bytes) -> bytes:
        return b"i" + bytes((len(data),)) + data

    numbers = written(b"weights") + b"[$d#i\x02" + struct.pack(">2f", 0.5, 1.5)
    return b"{" + numbers + written(name) + b"S" + written(text) + written(b"n") + b"U\x07" + b"}"


def holders(text: str) -> dict[str, tuple[str, bytes]]:
    """Artifacts that hold ``text``, as place: (name, content). Each is clean when ``text`` is."""
    raw, table = text.encode(), f"a,b\n1,{text}\n".encode()
    document = json.dumps({"a": [{"b": text}]})
    return {
        "text": ("notes.txt", b"first\n" + raw + b"\nlast\n"),
        "text, UTF-16": ("notes.txt", f"first\n{text}".encode("utf-16")),
        "log": ("train.log", b"2026-01-01 12:00:00 INFO " + raw),
        "yaml": ("config.yaml", b"a:\n  b: " + raw + b"\n"),
        "name without ending": ("MLmodel", b"run: " + raw),
        "code": ("train.py", b"x = 1  # " + raw),
        "html": ("page.html", b"<html><p>" + raw + b"</p></html>"),
        "html attribute": ("page.html", b'<html><p title="' + raw + b'">x</p></html>'),
        "html comment": ("page.html", b"<html><!-- " + raw + b" --></html>"),
        "svg": ("plot.svg", b"<svg><text>" + raw + b"</text></svg>"),
        "csv": ("t.csv", table),
        "csv name": ("t.csv", f"a,{text}\n1,2\n".encode()),
        "csv with semicolons": ("t.csv", table.replace(b",", b";")),
        "csv, ragged": ("t.csv", table + b"1,2,3,4\n"),
        "tsv": ("t.tsv", table.replace(b",", b"\t")),
        "json": ("t.json", document.encode()),
        "json, escaped": ("t.json", json.dumps({"a": "".join(f"\\u{ord(m):04x}" for m in text)}).encode()),
        "json key": ("t.json", json.dumps({text: 1}).encode()),
        "ndjson": ("t.ndjson", b'{"a": 1}\n' + document.encode() + b"\n"),
        "parquet": ("t.parquet", parquet({"a": [1], "b": [text]})),
        "parquet name": ("t.parquet", parquet({text: [1]})),
        "parquet metadata": ("t.parquet", parquet({"a": [1]}, {"about": text})),
        "parquet nested": ("t.parquet", parquet({"a": [[{"b": text}]]})),
        "parquet bytes": ("t.parquet", parquet({"a": [raw]})),
        "zip": ("a.zip", zipped(x__json=document.encode())),
        "zip in zip": ("a.zip", zipped(b__zip=zipped(x__txt=raw))),
        "zip name": ("a.zip", zipped(**{text + "__txt": b"x"})),
        "gzip": ("t.csv.gz", gzip.compress(table)),
        "gzip of zip": ("a.zip.gz", gzip.compress(zipped(x__txt=raw))),
        "png text": ("p.png", png((b"tEXt", b"Comment\0" + raw))),
        "png packed text": ("p.png", png((b"zTXt", b"Comment\0\0" + zlib.compress(raw)))),
        "png international text": ("p.png", png((b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(raw)))),
        "png exif": ("p.png", png((b"eXIf", b"MM\0*\0\0" + raw))),
        "jpeg exif": ("p.jpg", jpeg(0xE1, b"Exif\0\0" + raw)),
        "jpeg exif, UTF-16": ("p.jpg", jpeg(0xE1, b"Exif\0\0" + text.encode("utf-16-le"))),
        "jpeg comment": ("p.jpeg", jpeg(0xFE, raw)),
        "onnx documentation": ("m.onnx", onnx_model(documentation=text)),
        "onnx metadata": ("m.onnx", onnx_model(value=text)),
        "onnx tensor": ("m.onnx", onnx_model(tensor=raw)),
        "npy": ("a.npy", npy(np.array(["x", text]))),
        "npy field": ("a.npy", npy(np.array([(1, text)], dtype=[("a", "i4"), ("b", "U60")]))),
        "npz": ("a.npz", zipped(arr_0__npy=npy(np.array([text])))),
        "ubjson": ("m.ubj", ubjson(b"feature", raw)),
        "name": (f"{text}.txt", b"x"),
    }


def _pickled(value: object) -> bytes:
    return pickle.dumps(value, protocol=5)


def pickles(text: str) -> dict[str, bytes]:
    """Pickles that hold ``text``."""
    return {
        "text": _pickled({"a": [text]}),
        "bytes": _pickled(text.encode()),
        "array of texts": _pickled(np.array(["x", text])),
        "older protocol": pickle.dumps({"a": text}, protocol=2),
    }


BOMBS: dict[str, Callable[[], tuple[str, bytes]]] = {
    "zip": lambda: ("a.zip", zipped(x__txt=b"0" * (8 << 20))),
    "zip in zip in zip in zip": lambda: (
        "a.zip", zipped(b__zip=zipped(c__zip=zipped(d__zip=zipped(x__txt=b"x")))),
    ),
    "gzip": lambda: ("a.txt.gz", gzip.compress(b"0" * (8 << 20))),
    "many members": lambda: ("a.zip", zipped(**{f"f{n}__txt": b"x" for n in range(1100)})),
    "png text": lambda: ("p.png", png((b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * (4 << 20))))),
}  # fmt: skip


__all__ = ["BOMBS", "holders", "jpeg", "npy", "onnx_model", "parquet", "pickles", "png", "ubjson", "zipped"]
