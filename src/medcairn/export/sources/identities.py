"""How many resources share type and id with an earlier one, at eight bytes a resource."""

from __future__ import annotations

from array import array


class Identities:
    """Counts duplicates among any number of resources.

    Only a 64-bit hash of each id is kept. Two different ids of a type share one by chance in less than one
    of a thousand exports of 100 million resources, and then the count is one too high.
    """

    def __init__(self) -> None:
        self._hashes: dict[str, array[int]] = {}

    def add(self, resource_type: str, resource_id: str) -> None:
        """Take note of one resource."""
        hashes = self._hashes.get(resource_type)
        if hashes is None:
            hashes = self._hashes[resource_type] = array("q")
        hashes.append(hash(resource_id))

    def duplicates(self) -> int:
        """Resources that came after another of the same type and id."""
        import numpy as np  # here, since a server's export never needs it

        total = 0
        for hashes in self._hashes.values():
            ordered = np.sort(np.frombuffer(hashes, dtype=np.int64))
            total += int(np.count_nonzero(ordered[1:] == ordered[:-1]))
        return total


__all__ = ["Identities"]
