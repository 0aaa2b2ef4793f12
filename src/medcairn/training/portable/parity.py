"""The parity gate: a form is used only if it gives the numbers that scikit-learn gives.

The gate's rows are made to find what converters get wrong: each feature missing, all missing, only one
present, values far out of range, values that move by less than float32 can tell.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np

from medcairn.core.errors import GateRefused
from medcairn.training.algorithms import Algorithm, FittedModel
from medcairn.training.portable import onnx_form, skops_form, treelite_form
from medcairn.training.portable.form import Form, FormCode, PlainCode
from medcairn.training.rows import Floats

T = TypeVar("T")

LARGEST_DIFFERENCE = 1e-6
"""How far a probability may be from scikit-learn's."""

_ORDINARY = 1500
_PUNCHED = 1500
_SHUFFLED = 1000
_BETWEEN = 1000
_MISSING_SHARE = 0.15
_EXTREMES = (-1e30, -1e6, 0.0, 1e6, 1e30)

FORMS: Mapping[Form, FormCode] = {
    Form.ONNX: PlainCode(onnx_form.convert, onnx_form.open_onnx),
    Form.TREELITE: PlainCode(treelite_form.convert, treelite_form.open_treelite),
    Form.SKOPS: PlainCode(skops_form.convert, skops_form.open_skops),
}

PREFERENCE: Mapping[Algorithm, tuple[Form, ...]] = {
    Algorithm.LOGISTIC_REGRESSION: (Form.ONNX, Form.SKOPS),
    Algorithm.RANDOM_FOREST: (Form.ONNX, Form.TREELITE, Form.SKOPS),
    Algorithm.GRADIENT_BOOSTING: (Form.ONNX, Form.TREELITE, Form.SKOPS),
}
"""Which forms are tried for each algorithm, the first that passes is taken."""


class Verdict(StrEnum):
    """What the gate found about a form."""

    PASSED = "passed"
    DIFFERS = "differs"
    NOT_FINITE = "not_finite"
    NOT_CONVERTIBLE = "not_convertible"
    NOT_SCORABLE = "not_scorable"
    NOT_REPEATABLE = "not_repeatable"
    NOT_TRIED = "not_tried"


@dataclass(frozen=True)
class ParityResult:
    """One form at the gate. ``difference`` is the largest absolute one, where numbers could be compared.

    ``rows_beyond`` counts the rows that differ by more than :data:`LARGEST_DIFFERENCE`.
    """

    form: Form
    verdict: Verdict
    difference: float | None = None
    rows_beyond: int = 0

    @property
    def recorded(self) -> float | str:
        """What ``model.json`` keeps: the difference, or the reason why there is none."""
        return self.verdict.value if self.difference is None else self.difference


@dataclass(frozen=True)
class PortableModel:
    """The form that passed, its bytes, and what the gate found about every form."""

    form: Form
    data: bytes
    results: tuple[ParityResult, ...]
    rows: int


def parity_rows(values: Floats, *, seed: int) -> Floats:
    """At least 5,000 rows to compare on, made from the training rows ``values`` (n_rows, n_features)."""
    random = np.random.default_rng(seed)
    rows, features = values.shape
    ordinary = values[random.integers(0, rows, _ORDINARY)]
    punched = values[random.integers(0, rows, _PUNCHED)].copy()
    punched[random.random(punched.shape) < _MISSING_SHARE] = np.nan
    shuffled = values[random.integers(0, rows, (_SHUFFLED, features)), np.arange(features)]
    between = _between(values, random)
    base = values[random.integers(0, rows, features)]
    without_one, with_one = base.copy(), np.full((features, features), np.nan)
    np.fill_diagonal(without_one, np.nan)
    np.fill_diagonal(with_one, base.diagonal())
    far = np.repeat(base, len(_EXTREMES), axis=0)
    far[np.arange(len(far)), np.repeat(np.arange(features), len(_EXTREMES))] = np.tile(_EXTREMES, features)
    all_missing = np.full((1, features), np.nan)
    return np.ascontiguousarray(
        np.concatenate([ordinary, punched, shuffled, between, without_one, with_one, far, all_missing])
    )


def _between(values: Floats, random: np.random.Generator) -> Floats:
    """Rows of values half way between neighbours, where trees cut, moved by less than float32 can tell.

    A form that compares in another precision than scikit-learn goes the other way there.
    """
    rows = np.full((_BETWEEN, values.shape[1]), np.nan)
    for column in range(values.shape[1]):
        seen = np.unique(values[:, column].astype(np.float32)).astype(np.float64)
        seen = seen[~np.isnan(seen)]
        if len(seen) > 1:
            middle = (seen[:-1] + seen[1:]) / 2
            rows[:, column] = middle[random.integers(0, len(middle), _BETWEEN)]
    return rows * (1 + 3e-8 * random.standard_normal(rows.shape))


def choose_form(
    model: FittedModel,
    values: Floats,
    *,
    seed: int,
    forms: Mapping[Form, FormCode] = FORMS,
    preference: Mapping[Algorithm, tuple[Form, ...]] = PREFERENCE,
) -> PortableModel:
    """The first form of the preference that reproduces ``model``.

    Raises :class:`GateRefused` when none does.
    """
    rows = parity_rows(values, seed=seed)
    expected = model.score(rows)
    chosen: tuple[Form, bytes] | None = None
    results: list[ParityResult] = []
    for form in preference[model.algorithm]:
        if chosen is not None:
            results.append(ParityResult(form, Verdict.NOT_TRIED))
            continue
        data, result = _examine(model, form, forms[form], rows, expected)
        results.append(result)
        if result.verdict is Verdict.PASSED:
            chosen = form, data
    if chosen is None:
        raise GateRefused(
            "No portable form reproduces the model", forms=len(results), limit=LARGEST_DIFFERENCE
        )
    return PortableModel(*chosen, tuple(results), len(rows))


def _examine(
    model: FittedModel, form: Form, code: FormCode, rows: Floats, expected: Floats
) -> tuple[bytes, ParityResult]:
    data = _attempt(lambda: code.convert(model))
    if data is None:
        return b"", ParityResult(form, Verdict.NOT_CONVERTIBLE)
    # Scored from the bytes that would be shipped, by the code that would serve them.
    found = _attempt(lambda: code.open(data, model.algorithm)(rows[:, model.columns]))
    if found is None or found.shape != expected.shape:
        return data, ParityResult(form, Verdict.NOT_SCORABLE)
    if not np.isfinite(found).all():
        return data, ParityResult(form, Verdict.NOT_FINITE, rows_beyond=int((~np.isfinite(found)).sum()))
    apart = np.abs(found - expected)
    difference, beyond = float(apart.max()), int((apart > LARGEST_DIFFERENCE).sum())
    if beyond:
        return data, ParityResult(form, Verdict.DIFFERS, difference, beyond)
    if _attempt(lambda: code.convert(model)) != data:
        return data, ParityResult(form, Verdict.NOT_REPEATABLE)
    return data, ParityResult(form, Verdict.PASSED, difference)


def _attempt(call: Callable[[], T]) -> T | None:
    """What ``call`` gives, or None when the foreign code under it fails; its message may quote data."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a converter's deprecations say nothing about its numbers
            return call()
    except Exception:  # noqa: BLE001 - converters and runtimes raise types of their own, and any others
        return None


__all__ = [
    "FORMS",
    "LARGEST_DIFFERENCE",
    "PREFERENCE",
    "ParityResult",
    "PortableModel",
    "Verdict",
    "choose_form",
    "parity_rows",
]
