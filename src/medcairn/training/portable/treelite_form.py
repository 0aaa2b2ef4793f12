"""treelite, scored by its own interpreter (GTIL); for ensembles of trees."""

from __future__ import annotations

import numpy as np

from medcairn.training.algorithms import Algorithm, FittedModel
from medcairn.training.portable.form import RawScore
from medcairn.training.rows import Floats


def convert(model: FittedModel) -> bytes:
    """The trees, thresholds in float64, missing values routed as in scikit-learn."""
    import treelite

    if model.algorithm is Algorithm.LOGISTIC_REGRESSION:
        raise TypeError("treelite holds trees only")
    return bytes(treelite.sklearn.import_model(model.estimator).serialize_bytes())


def open_treelite(data: bytes, algorithm: Algorithm) -> RawScore:
    """The interpreter on one thread.

    scikit-learn's forest rounds a row to float32 before it compares; treelite does not. So the row is
    rounded here, and then both compare the same numbers with the same thresholds.
    """
    import treelite

    trees = treelite.Model.deserialize_bytes(data)
    rounded = algorithm is Algorithm.RANDOM_FOREST

    def score(rows: Floats) -> Floats:
        given = rows.astype(np.float32).astype(np.float64) if rounded else rows
        found = treelite.gtil.predict(trees, np.ascontiguousarray(given), nthread=1)
        return np.asarray(found, dtype=np.float64).reshape(len(rows), -1)[:, -1]

    return score


__all__ = ["convert", "open_treelite"]
