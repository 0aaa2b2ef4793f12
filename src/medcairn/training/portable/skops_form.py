"""skops, scored by scikit-learn itself; the fallback when no faster runtime reproduces the model.

A skops file names the types that it wants built. Only the types that our own algorithms consist of are
built; a file that names any other is refused before anything in it is constructed.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import TypeAlias, Union

import numpy as np

from medcairn.training.algorithms import Algorithm, FittedModel
from medcairn.training.portable.form import RawScore
from medcairn.training.rows import Floats

_SCHEMA = "schema.json"
_MOMENT = (1980, 1, 1, 0, 0, 0)
_ARRAY_FILE = re.compile(r"(\d+)\.npy\Z")

_Tree: TypeAlias = Union[bool, int, float, str, list["_Tree"], dict[str, "_Tree"], None]

_PLAIN = frozenset(
    {
        "builtins.dict",
        "builtins.list",
        "builtins.str",
        "builtins.tuple",
        "numpy.dtype",
        "numpy.float64",
        "numpy.int64",
        "numpy.ndarray",
        "numpy.uint64",
    }
)
TRUSTED: Mapping[Algorithm, frozenset[str]] = {
    Algorithm.LOGISTIC_REGRESSION: _PLAIN
    | {
        "sklearn.impute._base.MissingIndicator",
        "sklearn.impute._base.SimpleImputer",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._data.StandardScaler",
    },
    Algorithm.RANDOM_FOREST: _PLAIN
    | {
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._tree.Tree",
    },
    Algorithm.GRADIENT_BOOSTING: _PLAIN
    | {
        "numpy.random._generator.Generator",
        "sklearn._loss._loss.CyHalfBinomialLoss",
        "sklearn._loss.link.Interval",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.preprocessing._label.LabelEncoder",
    },
}
"""The types that a file of each algorithm may name."""

_LOADERS = frozenset(
    {
        "DTypeNode",
        "DictNode",
        "JsonNode",
        "ListNode",
        "LossNode",
        "NdArrayNode",
        "ObjectNode",
        "RandomGeneratorNode",
        "TreeNode",
        "TupleNode",
        "TypeNode",
    }
)
"""The ways of building that our files use; none of them calls a function that the file names."""


def convert(model: FittedModel) -> bytes:
    """The estimator as a skops file, with the same bytes for the same estimator."""
    from skops.io import dumps

    return _canonical(dumps(model.estimator))


def open_skops(data: bytes, algorithm: Algorithm) -> RawScore:
    """The estimator, rebuilt without unpickling, and scored on one thread.

    Raises ``ValueError`` when the file names a type that is not trusted for ``algorithm``.
    """
    from skops.io import loads
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    _check_types(data, TRUSTED[algorithm])
    estimator = loads(data, trusted=sorted(TRUSTED[algorithm]))

    def score(rows: Floats) -> Floats:
        with threadpool_limits(limits=1):
            return np.asarray(estimator.predict_proba(rows)[:, 1], dtype=np.float64)

    return score


def _check_types(data: bytes, trusted: frozenset[str]) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema: _Tree = json.loads(archive.read(_SCHEMA))
    for node in _nodes(schema):
        if f"{node.get('__module__')}.{node.get('__class__')}" not in trusted:
            raise ValueError("a skops file names a type that is not trusted")
        if node.get("__loader__") not in _LOADERS:
            raise ValueError("a skops file names a loader that is not trusted")


def _nodes(value: _Tree) -> Iterator[dict[str, _Tree]]:
    """Every node of a schema that asks for something to be built."""
    if isinstance(value, dict):
        if "__class__" in value or "__loader__" in value:
            yield value
        for item in value.values():
            yield from _nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _nodes(item)


def _canonical(data: bytes) -> bytes:
    """The same file without what differs from run to run.

    skops names arrays and shared objects by their address in memory, and zip entries carry the time. Both
    are replaced: addresses by numbers in the order in which the schema mentions them, times by 1980.
    """
    numbers: dict[str, int] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = _renumbered(json.loads(archive.read(_SCHEMA)), numbers)
        arrays = {
            _renamed(name, numbers): archive.read(name) for name in archive.namelist() if name != _SCHEMA
        }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        text = json.dumps(schema, sort_keys=False, separators=(",", ":")).encode()
        for name, content in [*sorted(arrays.items()), (_SCHEMA, text)]:
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _renumbered(value: _Tree, numbers: dict[str, int]) -> _Tree:
    if isinstance(value, list):
        return [_renumbered(item, numbers) for item in value]
    if not isinstance(value, dict):
        return value
    new: dict[str, _Tree] = {}
    for key, item in value.items():
        if key == "__id__":
            new[key] = numbers.setdefault(str(item), len(numbers) + 1)
        elif key == "file" and isinstance(item, str):
            new[key] = _renamed(item, numbers)
        else:
            new[key] = _renumbered(item, numbers)
    return new


def _renamed(name: str, numbers: dict[str, int]) -> str:
    found = _ARRAY_FILE.match(name)
    if found is None:
        raise ValueError("a skops file has an entry that is no array")
    return f"{numbers.setdefault(found.group(1), len(numbers) + 1)}.npy"


__all__ = ["TRUSTED", "convert", "open_skops"]
