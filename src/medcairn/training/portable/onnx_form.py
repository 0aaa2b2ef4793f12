"""ONNX, scored by ONNX Runtime."""

from __future__ import annotations

import numpy as np

from medcairn.training.algorithms import Algorithm, FittedModel
from medcairn.training.portable.form import RawScore
from medcairn.training.rows import Floats

_SILENT = 4


def convert(model: FittedModel) -> bytes:
    """The model as an ONNX graph, in the precision in which scikit-learn compares.

    A forest rounds its input to float32, so it gets a float32 input. With a float64 input skl2onnx 1.20
    never returns: a split of missing against present has an infinite threshold, and its search for the
    float64 that rounds to it has no end.
    """
    if model.algorithm is Algorithm.LOGISTIC_REGRESSION:
        from medcairn.training.portable.linear_graph import linear_graph

        return bytes(linear_graph(model.estimator, len(model.columns)).SerializeToString())
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    tensor = FloatTensorType if model.algorithm is Algorithm.RANDOM_FOREST else DoubleTensorType
    graph = convert_sklearn(
        model.estimator,
        name=model.algorithm.value,
        initial_types=[("rows", tensor([None, len(model.columns)]))],
        options={id(model.estimator): {"zipmap": False}},
    )
    return bytes(graph.SerializeToString())


def open_onnx(data: bytes, algorithm: Algorithm) -> RawScore:
    """A session on one thread; a single row is answered in well under a millisecond."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _SILENT
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    source, answer = session.get_inputs()[0], session.get_outputs()[-1].name
    precision = np.float32 if source.type == "tensor(float)" else np.float64

    def score(rows: Floats) -> Floats:
        found = session.run([answer], {source.name: np.ascontiguousarray(rows, dtype=precision)})[0]
        return np.asarray(found[:, -1], dtype=np.float64)

    return score


__all__ = ["convert", "open_onnx"]
