"""NumPy arrays (npy format 1.0 to 3.0), without pickle."""

from __future__ import annotations

from typing import BinaryIO

from medcairn.core.labels import Label
from medcairn.phi.artifacts.limits import Reason
from medcairn.phi.artifacts.looking import Looking, below, refused


def look_in_npy(stream: BinaryIO, looking: Looking, location: Label) -> None:
    """Look at the names of an array's fields and at its texts; arrays of numbers hold none.

    Raises :class:`~medcairn.phi.artifacts.limits.ArtifactRefused` for arrays of objects (pickles), for bytes
    after the array, and for arrays of texts beyond the limit for documents.
    """
    import numpy as np

    version = np.lib.format.read_magic(stream)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise refused(Reason.UNREADABLE, "npy")
    shape, _, dtype = read_header(stream)
    if dtype.hasobject:
        raise refused(Reason.PICKLE, "npy")
    count = 1
    for size in shape:
        count *= size
    start = stream.tell()
    stream.seek(0, 2)
    if stream.tell() - start != count * dtype.itemsize:
        raise refused(Reason.UNREADABLE, "npy")
    if dtype.names is None and dtype.kind in "biufcmM":
        return
    if count * dtype.itemsize > looking.limits.largest_document:
        raise refused(Reason.TOO_LARGE, "npy")
    stream.seek(start)
    values = np.frombuffer(stream.read(), dtype=dtype)
    looking.add(
        looking.detector.find_in_column_names(list(dtype.names or ()), location=below(location, ".columns"))
    )
    for name in dtype.names or ("",):
        _look_in_field(values[name] if name else values, name, looking, location)


def _look_in_field(values: object, name: str, looking: Looking, location: Label) -> None:
    import numpy as np

    column = np.asarray(values)
    if column.dtype.names is not None or column.dtype.kind == "V":
        raise refused(Reason.UNREADABLE, "npy")
    if column.dtype.kind in "US":
        texts = np.unique(column).tolist()
        looking.texts(
            (item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in texts),
            location,
            cue=name,
        )


__all__ = ["look_in_npy"]
