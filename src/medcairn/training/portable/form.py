"""What a portable form is: bytes that a runtime other than Python's pickle can score from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from medcairn.training.algorithms import Algorithm, FittedModel
from medcairn.training.rows import Floats

RawScore = Callable[[Floats], Floats]
"""Probabilities (n_rows,) of rows over the columns that the model looks at."""


class Form(StrEnum):
    """The forms. The value is also the ending of the model's file."""

    ONNX = "onnx"
    TREELITE = "treelite"
    SKOPS = "skops"


class FormCode(Protocol):
    """How one form is written and read."""

    def convert(self, model: FittedModel) -> bytes:
        """The model in this form. May raise anything: a converter is foreign code."""
        ...

    def open(self, data: bytes, algorithm: Algorithm) -> RawScore:
        """A function that scores from ``data``, on one thread. May raise anything."""
        ...


@dataclass(frozen=True)
class PlainCode:
    """A form made of two functions."""

    converter: Callable[[FittedModel], bytes]
    opener: Callable[[bytes, Algorithm], RawScore]

    def convert(self, model: FittedModel) -> bytes:
        return self.converter(model)

    def open(self, data: bytes, algorithm: Algorithm) -> RawScore:
        return self.opener(data, algorithm)


__all__ = ["Form", "FormCode", "PlainCode", "RawScore"]
