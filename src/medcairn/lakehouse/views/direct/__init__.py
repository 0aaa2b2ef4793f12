"""The third executor of views: typed decoding and straight-line Python, one line at a time."""

from medcairn.lakehouse.views.direct.reader import DirectReader, direct_reader

__all__ = ["DirectReader", "direct_reader"]
