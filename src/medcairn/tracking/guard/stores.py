"""Guards a store: the arguments of every method that may write are searched before the method runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Container, Mapping
from typing import Any, TypeVar

from medcairn.core.canonical import JSON
from medcairn.tracking.guard.judgement import in_fields, judge
from medcairn.tracking.guard.methods import is_searched
from medcairn.tracking.guard.plain import plain

S = TypeVar("S")


def guarded_store(store: S) -> S:
    """``store`` itself, with the guard in its methods: its type and its other uses stay as they are."""
    guard_methods(store)
    return store


def guard_methods(made: object, *, but: Container[str] = ()) -> None:
    """Put the guard into the public methods of ``made``, by their arguments, but into those named in ``but``.

    A method that :mod:`medcairn.tracking.guard.methods` does not know counts as one that writes.
    """
    for name in public_methods(type(made)):
        if is_searched(name) and name not in but:
            setattr(made, name, _searched(name, getattr(made, name)))


def public_methods(kind: type) -> list[str]:
    """The names of the public methods of a class."""
    return [name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))]


def _searched(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(method)

    @functools.wraps(method)
    def call(*given: Any, **named: Any) -> Any:
        def arguments() -> Mapping[str, JSON]:
            bound = signature.bind(*given, **named).arguments
            return {key: plain(value) for key, value in bound.items()}

        judge(name, lambda detector: in_fields(detector, name, arguments()))
        return method(*given, **named)

    return call


__all__ = ["guard_methods", "guarded_store", "public_methods"]
