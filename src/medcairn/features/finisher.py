"""The one place where integer moments become floats.

Each result is one quotient of two exact integers (and, for ``sd``, its square root), so that it is the
same to the last bit on every engine. NaN is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from medcairn.features.events import SCALE
from medcairn.features.feature_set import Aggregate
from medcairn.features.moments import Moments, Products
from medcairn.features.silver_columns import Floats, Ints

_MICROSECONDS_PER_DAY = 86_400_000_000
_SECONDS_PER_DAY = 86_400


def finish(aggregate: Aggregate, of: Moments) -> Floats:
    """The values of ``aggregate``, one for each cell of ``of``.

    ``count``, ``any``, ``distinct`` and ``sum`` of nothing are 0, for that is what they say; every other
    aggregate of nothing is missing. Two events at one instant: ``last`` takes the larger, ``first`` the
    smaller value.
    """
    return _FINISH[aggregate](of)


def finish_products(aggregate: Aggregate, of: Products) -> Floats:
    """The values of an aggregate of :data:`SECOND_ORDER`, one for each cell of ``of``.

    ``sd`` is the sample standard deviation (n - 1), missing below two values. ``slope`` is the
    least-squares slope per day, missing when all events share one second.
    """
    return _FINISH_PRODUCTS[aggregate](of)


def _valued(top: Ints, of: Moments) -> Floats:
    return np.where(of.n > 0, top / SCALE, np.nan)


def _mean(of: Moments) -> Floats:
    return np.where(of.n > 0, of.sum_v / (np.maximum(of.n, 1) * SCALE), np.nan)


def _days(since: Ints, of: Moments) -> Floats:
    return np.where(of.n > 0, since / _MICROSECONDS_PER_DAY, np.nan)


def _sd(of: Products) -> Floats:
    out = np.full(len(of.n), np.nan)
    for cell in np.flatnonzero(of.n > 1):
        n, total = int(of.n[cell]), int(of.sum_v[cell])
        spread = n * int(of.sum_vv[cell]) - total * total
        out[cell] = math.sqrt(spread / (n * (n - 1) * SCALE * SCALE))
    return out


def _slope(of: Products) -> Floats:
    out = np.full(len(of.n), np.nan)
    for cell in np.flatnonzero(of.n > 1):
        n, total_t = int(of.n[cell]), int(of.sum_t[cell])
        bottom = n * int(of.sum_tt[cell]) - total_t * total_t
        if bottom > 0:
            top = n * int(of.sum_vt[cell]) - total_t * int(of.sum_v[cell])
            out[cell] = (top * _SECONDS_PER_DAY) / (bottom * SCALE)
    return out


_FINISH: Mapping[Aggregate, Callable[[Moments], Floats]] = {
    Aggregate.LAST: lambda of: _valued(of.last_v, of),
    Aggregate.FIRST: lambda of: _valued(of.first_v, of),
    Aggregate.MIN: lambda of: _valued(of.min_v, of),
    Aggregate.MAX: lambda of: _valued(of.max_v, of),
    Aggregate.RANGE: lambda of: _valued(of.max_v - of.min_v, of),
    Aggregate.SUM: lambda of: of.sum_v / SCALE,
    Aggregate.MEAN: _mean,
    Aggregate.COUNT: lambda of: of.n.astype(np.float64),
    Aggregate.DISTINCT: lambda of: of.n.astype(np.float64),
    Aggregate.ANY: lambda of: (of.n > 0).astype(np.float64),
    Aggregate.DAYS_SINCE: lambda of: _days(of.since_last, of),
    Aggregate.DAYS_SINCE_FIRST: lambda of: _days(of.since_first, of),
}

_FINISH_PRODUCTS: Mapping[Aggregate, Callable[[Products], Floats]] = {
    Aggregate.SD: _sd,
    Aggregate.SLOPE: _slope,
}

SECOND_ORDER = frozenset(_FINISH_PRODUCTS)
"""The aggregates that need second-order sums."""


__all__ = ["SECOND_ORDER", "finish", "finish_products"]
