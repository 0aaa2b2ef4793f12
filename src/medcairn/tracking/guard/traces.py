"""Guards the way of spans out of the process.

MLflow applies a user's span processors (``mlflow.tracing.configure``) before a span ends, and lets the span
through when one raises. All that leaves the process goes through the OpenTelemetry processors that the
provider makes, to MLflow's stores as to an OTLP collector; the guard stands in front of their ``on_end``.
A span that is refused is dropped and taken out of the trace that MLflow still holds in memory; with a root
span the trace goes.
"""

from __future__ import annotations

import functools
from typing import Any, TypeVar

from medcairn.core.canonical import JSON
from medcairn.tracking.guard import judgement
from medcairn.tracking.guard.plain import plain, span_as_json

P = TypeVar("P")


def guarded_processor(processor: P) -> P:
    """``processor`` itself, with the guard in front of its ``on_end``."""
    on_end = processor.on_end  # type: ignore[attr-defined]

    @functools.wraps(on_end)
    def guarded_on_end(span: Any) -> None:
        if judgement.passes("span", lambda detector: judgement.in_fields(detector, "span", _all_of(span))):
            on_end(span)
        else:
            _drop(span)

    processor.on_end = guarded_on_end  # type: ignore[attr-defined]
    return processor


def _all_of(span: Any) -> dict[str, JSON]:
    """The span, and with a root span what its trace carries beside: tags, metadata, previews."""
    whole: dict[str, JSON] = span_as_json(span)
    if span.parent is None and (info := _trace_info(span)) is not None:
        whole["trace"] = plain(info)
    return whole


def _manager() -> Any:
    from mlflow.tracing import trace_manager

    return trace_manager.InMemoryTraceManager.get_instance()  # type: ignore[no-untyped-call]


def _trace_info(span: Any) -> Any:
    manager = _manager()
    trace_id = manager.get_mlflow_trace_id_from_otel_id(span.context.trace_id)
    if trace_id is None:
        return None
    with manager.get_trace(trace_id) as trace:
        return trace.info if trace is not None else None


def _drop(span: Any) -> None:
    from mlflow.tracing.utils import encode_span_id

    manager = _manager()
    if span.parent is None:
        manager.pop_trace(span.context.trace_id)
        return
    trace_id = manager.get_mlflow_trace_id_from_otel_id(span.context.trace_id)
    with manager.get_trace(trace_id) as trace:
        if trace is not None:
            trace.span_dict.pop(encode_span_id(span.context.span_id), None)


__all__ = ["guarded_processor"]
