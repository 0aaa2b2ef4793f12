"""The parity gate: real converters that are right, real ones that are wrong, and made-up ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from medcairn.core.errors import GateRefused
from medcairn.training import Algorithm, TrainingRows
from medcairn.training.algorithms import FittedModel
from medcairn.training.portable import LARGEST_DIFFERENCE, Form, Verdict, choose_form, parity_rows
from medcairn.training.portable.form import PlainCode, RawScore
from medcairn.training.portable.parity import FORMS

Fitted = Mapping[Algorithm, FittedModel]


def only(form: Form) -> Mapping[Algorithm, tuple[Form, ...]]:
    return dict.fromkeys(Algorithm, (form,))


def bent(bend: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]) -> PlainCode:
    """treelite with its answers bent by ``bend(rows, answers)``: a converter that is almost right."""
    honest = FORMS[Form.TREELITE]

    def opened(data: bytes, algorithm: Algorithm) -> RawScore:
        score = honest.open(data, algorithm)
        return lambda rows: bend(rows, score(rows))

    return PlainCode(honest.convert, opened)


def test_the_rows_hold_every_kind_of_trouble(rows: TrainingRows) -> None:
    made = parity_rows(rows.values, seed=0)
    missing = np.isnan(made)
    features = made.shape[1]
    assert len(made) >= 5000
    assert missing.all(axis=1).any()
    assert (missing.sum(axis=1) == features - 1).any(), "one feature present"
    for place in range(features):
        assert missing[:, place].any()
        assert (made[:, place] == 1e30).any()
        assert (made[:, place] == -1e30).any()
    assert not np.isinf(made).any()
    assert made.tobytes() == parity_rows(rows.values, seed=0).tobytes()


@pytest.mark.parametrize(
    ("algorithm", "form"),
    [
        (Algorithm.LOGISTIC_REGRESSION, Form.ONNX),
        (Algorithm.RANDOM_FOREST, Form.TREELITE),
        (Algorithm.GRADIENT_BOOSTING, Form.TREELITE),
    ],
)
def test_each_algorithm_finds_a_fast_form_that_is_exact(
    algorithm: Algorithm, form: Form, fitted: Fitted, rows: TrainingRows
) -> None:
    chosen = choose_form(fitted[algorithm], rows.values, seed=0)
    assert chosen.form is form
    passed = next(result for result in chosen.results if result.form is form)
    assert passed.difference is not None
    assert passed.difference < 1e-12
    assert chosen.results[-1].verdict is Verdict.NOT_TRIED


def test_the_onnx_forest_loses_missing_values_and_is_refused(fitted: Fitted, rows: TrainingRows) -> None:
    chosen = choose_form(fitted[Algorithm.RANDOM_FOREST], rows.values, seed=0)
    onnx = chosen.results[0]
    assert (onnx.form, onnx.verdict) == (Form.ONNX, Verdict.DIFFERS)
    assert onnx.difference is not None
    assert onnx.difference > 0.01
    assert onnx.rows_beyond > 1000


def test_the_boosting_converter_that_crashes_is_recorded(fitted: Fitted, rows: TrainingRows) -> None:
    chosen = choose_form(fitted[Algorithm.GRADIENT_BOOSTING], rows.values, seed=0)
    onnx = chosen.results[0]
    # A later skl2onnx may convert it well; what must not happen is a wrong form that passes.
    assert onnx.verdict in (Verdict.NOT_CONVERTIBLE, Verdict.PASSED)
    assert onnx.recorded == (onnx.verdict.value if onnx.difference is None else onnx.difference)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_skops_is_a_fallback_for_every_algorithm(
    algorithm: Algorithm, fitted: Fitted, rows: TrainingRows
) -> None:
    chosen = choose_form(fitted[algorithm], rows.values, seed=0, preference=only(Form.SKOPS))
    assert chosen.results[0].verdict is Verdict.PASSED
    assert chosen.data == FORMS[Form.SKOPS].convert(fitted[algorithm])


def test_a_forest_that_is_not_rounded_to_float32_is_refused(fitted: Fitted, rows: TrainingRows) -> None:
    honest = FORMS[Form.TREELITE]

    def unrounded(data: bytes, algorithm: Algorithm) -> RawScore:
        return honest.open(data, Algorithm.GRADIENT_BOOSTING)  # whose rows are not rounded

    chosen = choose_form(
        fitted[Algorithm.RANDOM_FOREST],
        rows.values,
        seed=0,
        forms={**FORMS, Form.TREELITE: PlainCode(honest.convert, unrounded)},
    )
    assert [result.verdict for result in chosen.results] == [Verdict.DIFFERS, Verdict.DIFFERS, Verdict.PASSED]


@pytest.mark.parametrize(
    ("bend", "verdict"),
    [
        (lambda rows, answers: answers + 3 * LARGEST_DIFFERENCE, Verdict.DIFFERS),
        (lambda rows, answers: np.where(np.isnan(rows).all(axis=1), 0.5, answers), Verdict.DIFFERS),
        (lambda rows, answers: np.where(np.abs(rows).max(axis=1) > 1e20, 0.5, answers), Verdict.DIFFERS),
        (lambda rows, answers: np.where(np.isnan(rows[:, 3]), np.nan, answers), Verdict.NOT_FINITE),
        (lambda rows, answers: answers[:-1], Verdict.NOT_SCORABLE),
        (lambda rows, answers: answers / "x", Verdict.NOT_SCORABLE),
    ],
)
def test_a_converter_that_is_almost_right_is_refused(
    bend: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
    verdict: Verdict,
    fitted: Fitted,
    rows: TrainingRows,
) -> None:
    forms = {**FORMS, Form.ONNX: bent(bend)}
    preference = dict.fromkeys(Algorithm, (Form.ONNX, Form.TREELITE))
    chosen = choose_form(
        fitted[Algorithm.GRADIENT_BOOSTING], rows.values, seed=0, forms=forms, preference=preference
    )
    assert chosen.results[0].verdict is verdict
    assert chosen.form is Form.TREELITE


def test_a_converter_whose_bytes_change_is_refused(fitted: Fitted, rows: TrainingRows) -> None:
    honest, calls = FORMS[Form.TREELITE], iter(range(10))
    shifting = PlainCode(
        lambda model: bytes([next(calls)]) + honest.convert(model),
        lambda data, algorithm: honest.open(data[1:], algorithm),
    )
    with pytest.raises(GateRefused):
        choose_form(
            fitted[Algorithm.GRADIENT_BOOSTING],
            rows.values,
            seed=0,
            forms={Form.TREELITE: shifting},
            preference=only(Form.TREELITE),
        )


def test_a_difference_within_the_limit_passes(fitted: Fitted, rows: TrainingRows) -> None:
    forms = {Form.TREELITE: bent(lambda rows, answers: answers + 0.5 * LARGEST_DIFFERENCE)}
    chosen = choose_form(
        fitted[Algorithm.GRADIENT_BOOSTING],
        rows.values,
        seed=0,
        forms=forms,
        preference=only(Form.TREELITE),
    )
    assert chosen.results[0].difference == pytest.approx(0.5 * LARGEST_DIFFERENCE, rel=1e-6)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_any_row_scores_as_in_scikit_learn(algorithm: Algorithm, fitted: Fitted, rows: TrainingRows) -> None:
    model = fitted[algorithm]
    chosen = choose_form(model, rows.values, seed=0)
    score = FORMS[chosen.form].open(chosen.data, algorithm)
    cell = st.one_of(
        st.just(float("nan")), st.floats(-1e38, 1e38), st.sampled_from(rows.values[:, 0].tolist())
    )

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(st.lists(cell, min_size=len(rows.names), max_size=len(rows.names)))
    def agrees(cells: list[float]) -> None:
        row = np.array([cells])
        assert abs(score(row[:, model.columns])[0] - model.score(row)[0]) <= LARGEST_DIFFERENCE

    agrees()
