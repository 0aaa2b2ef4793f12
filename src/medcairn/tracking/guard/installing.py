"""Puts the guard around what MLflow makes: stores, artifact repositories, span processors.

Each part can be installed before MLflow has built anything (by the entry points) or later (by
:func:`install`), and again without effect.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from medcairn.tracking.guard.artifact_repositories import guarded_repository
from medcairn.tracking.guard.stores import guarded_store
from medcairn.tracking.guard.traces import guarded_processor

_MARK = "__medcairn_phi_guard__"


def install() -> None:
    """Install every part now, and let MLflow forget the stores that it built before.

    For a process that imported MLflow before the guard was switched on. Raises ``ImportError`` when MLflow
    is not installed.
    """
    from mlflow.tracing import provider
    from mlflow.tracking._model_registry.registry import ModelRegistryStoreRegistry
    from mlflow.tracking._tracking_service.registry import TrackingStoreRegistry

    for part in PARTS.values():
        part()
    for registry in (TrackingStoreRegistry, ModelRegistryStoreRegistry):
        registry._get_store_with_resolved_uri.cache_clear()
    reset: Callable[[], None] = provider.reset
    reset()


def _install_stores() -> None:
    """Tracking, registry and workspace stores of every scheme, of client and server: one class finds the
    builder of each. The tracer provider is there by now too, and is the only way to an exporter."""
    from mlflow.tracing import provider
    from mlflow.tracking.registry import StoreRegistry

    _replace(StoreRegistry, "get_store_builder", _building)
    _replace(provider, "_get_span_processors", _processing)


def _install_artifacts() -> None:
    """Repositories of every scheme. The module is still being imported when MLflow asks for its plugins."""
    registry = import_module("mlflow.store.artifact.artifact_repository_registry")
    _replace(registry.ArtifactRepositoryRegistry, "get_artifact_repository", _keeping)


def _replace(owner: Any, name: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    original = getattr(owner, name)
    if not hasattr(original, _MARK):
        replaced = functools.wraps(original)(around(original))
        setattr(replaced, _MARK, True)
        setattr(owner, name, replaced)


def _building(get_builder: Callable[..., Callable[..., Any]]) -> Callable[..., Callable[..., Any]]:
    def get_store_builder(registry: Any, store_uri: Any) -> Callable[..., Any]:
        builder = get_builder(registry, store_uri)

        @functools.wraps(builder)
        def build(*given: Any, **named: Any) -> Any:
            return guarded_store(builder(*given, **named))

        return build

    return get_store_builder


def _keeping(get_repository: Callable[..., Any]) -> Callable[..., Any]:
    def get_artifact_repository(*given: Any, **named: Any) -> Any:
        return guarded_repository(get_repository(*given, **named))

    return get_artifact_repository


def _processing(get_processors: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    def get_span_processors(*given: Any, **named: Any) -> list[Any]:
        return [guarded_processor(processor) for processor in get_processors(*given, **named)]

    return get_span_processors


PARTS: Mapping[str, Callable[[], None]] = {
    "tracking_store": _install_stores,
    "artifact_repository": _install_artifacts,
}
"""By the entry point that installs them."""

__all__ = ["PARTS", "install"]
