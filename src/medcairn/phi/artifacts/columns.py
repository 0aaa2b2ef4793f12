"""The values of one column of a table, as Arrow arrays: each that can be an identifier once a batch."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from medcairn.core.labels import Label
from medcairn.phi.artifacts.looking import Looking
from medcairn.phi.rules import shipped_rules
from medcairn.phi.words import key_words

_HARMLESS = r"^\s*(?:-?[0-9]*\.?[0-9]*(?:[eE][-+]?[0-9]{1,4})?|[0-9a-f]{1,64})\s*$"


def look_in_column(values: pa.Array, name: str, looking: Looking, location: Label) -> None:
    """Look at the distinct values of a batch of a column under the column's name as their cue.

    Numbers and times are looked at only where the name is a cue: without one they are no finding.
    """
    for leaf in _leaves(values):
        telling = bool(shipped_rules().by_word.keys() & set(key_words(name[:200]).split()))
        looking.texts(_texts(leaf, telling), location, cue=name if telling else "")


def _texts(values: pa.Array, telling: bool) -> list[str]:
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        return [text for text in map(_as_text, values.unique().to_pylist()) if text]
    textual = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    if not textual and not telling:
        return []
    distinct = values.unique().drop_null()
    texts = distinct if textual else pc.cast(distinct, pa.string())
    if not telling:
        texts = texts.filter(pc.invert(pc.match_substring_regex(texts, _HARMLESS)))
    found: list[str] = texts.to_pylist()
    return found


def _as_text(value: bytes | None) -> str:
    """Bytes as text where they are text."""
    try:
        return (value or b"").decode("utf-8")
    except UnicodeError:
        return ""


def _leaves(values: pa.Array) -> list[pa.Array]:
    """The flat arrays within a nested one; nulls have no leaf."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _leaves(values.dictionary)
    if pa.types.is_struct(kind):
        return [leaf for child in values.flatten() for leaf in _leaves(child)]
    if pa.types.is_map(kind):
        return _leaves(values.keys) + _leaves(values.items)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _leaves(values.flatten())
    if pa.types.is_null(kind):
        return []
    return [values]


__all__ = ["look_in_column"]
