"""The logistic regression of :mod:`medcairn.training.algorithms` as an ONNX graph in float64.

skl2onnx has no converter for the missing indicators, so the graph is written out here, step for step as
scikit-learn computes it: fill, append the indicators, scale, weigh, sigmoid.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from medcairn.training.algorithms import Estimator

_OPSET = 17
_IR_VERSION = 8


def linear_graph(pipeline: Estimator, width: int) -> ModelProto:
    """The fitted pipeline impute → scale → classify over ``width`` columns.

    The input ``rows`` is float64 (n, width) with NaN for missing, the output ``probability`` float64 (n, 1).
    """
    imputer, scaler, classifier = (pipeline.named_steps[name] for name in ("impute", "scale", "classify"))
    indicated = np.asarray(imputer.indicator_.features_, dtype=np.int64)
    constants = {
        "median": np.asarray(imputer.statistics_, dtype=np.float64),
        "indicated": indicated,
        "mean": np.asarray(scaler.mean_, dtype=np.float64),
        "spread": np.asarray(scaler.scale_, dtype=np.float64),
        "weights": np.asarray(classifier.coef_, dtype=np.float64).reshape(-1, 1),
        "intercept": np.asarray(classifier.intercept_, dtype=np.float64),
    }
    graph = helper.make_graph(
        _nodes(),
        "logistic_regression",
        [helper.make_tensor_value_info("rows", TensorProto.DOUBLE, [None, width])],
        [helper.make_tensor_value_info("probability", TensorProto.DOUBLE, [None, 1])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="medcairn")
    checker.check_model(model)
    return model


def _nodes() -> list[NodeProto]:
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("IsNaN", ["rows"], "missing", {}),
        ("Where", ["missing", "median", "rows"], "filled", {}),
        ("Gather", ["missing", "indicated"], "missing_indicated", {"axis": 1}),
        ("Cast", ["missing_indicated"], "indicators", {"to": TensorProto.DOUBLE}),
        ("Concat", ["filled", "indicators"], "joined", {"axis": 1}),
        ("Sub", ["joined", "mean"], "centred", {}),
        ("Div", ["centred", "spread"], "scaled", {}),
        ("MatMul", ["scaled", "weights"], "weighed", {}),
        ("Add", ["weighed", "intercept"], "logit", {}),
        ("Sigmoid", ["logit"], "probability", {}),
    ]
    return [helper.make_node(kind, inputs, [out], **options) for kind, inputs, out, options in steps]


__all__ = ["linear_graph"]
