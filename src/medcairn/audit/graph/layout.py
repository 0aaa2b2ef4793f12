"""Where the boxes of a layered drawing go: sources above, what was made of them below.

The method of Sugiyama, Tagawa and Toda (1981): layers by longest path, long edges broken by bends, order
within layers by barycentres, positions by least squares under the order (pool adjacent violators). Nothing
is random and ties go by number, so the same graph is drawn the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

_SWEEPS = 12

Node = int | tuple[int, int, int]
"""A box by its number, or the bend (source, user, layer) of an edge."""


@dataclass(frozen=True)
class Layout:
    """Centres: ``x`` of every node, the layer of every box, and every edge's nodes from top to bottom."""

    x: Mapping[Node, float]
    layer: Mapping[int, int]
    paths: Mapping[tuple[int, int], tuple[Node, ...]]


def lay_out(
    nodes: Iterable[int], edges: Iterable[tuple[int, int]], *, box_width: float, bend_width: float, gap: float
) -> Layout:
    """Place ``nodes`` so that every edge (source, user) leads downwards. The graph must have no cycle."""
    boxes, arrows = sorted(nodes), sorted(set(edges))
    layer = _layers(boxes, arrows)
    paths = {arrow: _path(arrow, layer) for arrow in arrows}
    rows = _ordered(_rows(boxes, layer, paths), _neighbours(paths))
    widths = {node: box_width if isinstance(node, int) else bend_width for row in rows for node in row}
    return Layout(_placed(rows, _neighbours(paths), widths, gap), layer, paths)


def implied(edges: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Edges that a longer way says too: the graph without them reaches the same (transitive reduction)."""
    users: dict[int, set[int]] = {}
    for source, user in edges:
        users.setdefault(source, set()).add(user)
    reach: dict[int, set[int]] = {}
    for node in _topological(users)[::-1]:
        below = users.get(node, set())
        reach[node] = below.union(*(reach.get(user, set()) for user in below))
    return {
        (source, user)
        for source, below in users.items()
        for user in below
        if any(user in reach.get(other, ()) for other in below if other != user)
    }


def _topological(users: Mapping[int, set[int]]) -> list[int]:
    """Sources before users, by number where free."""
    waits: dict[int, int] = dict.fromkeys(users, 0)
    for below in users.values():
        for user in below:
            waits[user] = waits.get(user, 0) + 1
    ready = sorted(node for node, count in waits.items() if count == 0)
    order: list[int] = []
    while ready:
        order.append(ready.pop(0))
        for user in sorted(users.get(order[-1], ())):
            waits[user] -= 1
            if waits[user] == 0:
                ready.append(user)
    return order


def _layers(boxes: Sequence[int], arrows: Sequence[tuple[int, int]]) -> dict[int, int]:
    users: dict[int, set[int]] = {}
    for source, user in arrows:
        users.setdefault(source, set()).add(user)
    layer = dict.fromkeys(boxes, 0)
    for node in _topological(users):
        for user in users.get(node, ()):
            layer[user] = max(layer[user], layer[node] + 1)
    for node in reversed(_topological(users)):  # a source of one late thing stands right above it
        below = users.get(node)
        if below and not any(node in others for others in users.values()):
            layer[node] = min(layer[user] for user in below) - 1
    return layer


def _path(arrow: tuple[int, int], layer: Mapping[int, int]) -> tuple[Node, ...]:
    source, user = arrow
    bends = [(source, user, level) for level in range(layer[source] + 1, layer[user])]
    return (source, *bends, user)


def _rows(
    boxes: Sequence[int], layer: Mapping[int, int], paths: Mapping[tuple[int, int], tuple[Node, ...]]
) -> list[list[Node]]:
    rows: list[list[Node]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for box in boxes:
        rows[layer[box]].append(box)
    for path in paths.values():
        for bend in path[1:-1]:
            assert isinstance(bend, tuple)  # only the ends are boxes
            rows[bend[2]].append(bend)
    return rows


def _neighbours(paths: Mapping[tuple[int, int], tuple[Node, ...]]) -> dict[Node, list[Node]]:
    near: dict[Node, list[Node]] = {}
    for path in paths.values():
        for upper, lower in pairwise(path):
            near.setdefault(upper, []).append(lower)
            near.setdefault(lower, []).append(upper)
    return near


def _ordered(rows: list[list[Node]], near: Mapping[Node, list[Node]]) -> list[list[Node]]:
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        levels = range(1, len(rows)) if downwards else range(len(rows) - 2, -1, -1)
        for level in levels:
            fixed = rows[level - 1] if downwards else rows[level + 1]
            place = {node: number for number, node in enumerate(fixed)}
            now = {node: number for number, node in enumerate(rows[level])}

            def barycentre(
                node: Node, place: Mapping[Node, int] = place, now: Mapping[Node, int] = now
            ) -> tuple[float, int]:
                seen = [place[other] for other in near.get(node, ()) if other in place]
                return (sum(seen) / len(seen) if seen else float(now[node]), now[node])

            rows[level] = sorted(rows[level], key=barycentre)
    return rows


def _placed(
    rows: Sequence[Sequence[Node]], near: Mapping[Node, list[Node]], widths: Mapping[Node, float], gap: float
) -> dict[Node, float]:
    x: dict[Node, float] = {}
    for row in rows:
        x |= dict(zip(row, _spread([0.0] * len(row), [widths[node] for node in row], gap), strict=True))
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wished = [_mean([x[other] for other in near[node]]) if node in near else x[node] for node in row]
            x |= dict(zip(row, _spread(wished, [widths[node] for node in row], gap), strict=True))
    left = min((x[node] - widths[node] / 2 for row in rows for node in row), default=0.0)
    return {node: value - left for node, value in x.items()}


def _spread(wished: Sequence[float], widths: Sequence[float], gap: float) -> list[float]:
    """The positions nearest to ``wished`` (least squares) that keep the order and do not overlap."""
    offsets = [0.0]
    for before, after in pairwise(widths):
        offsets.append(offsets[-1] + (before + after) / 2 + gap)
    pools: list[tuple[float, int]] = []
    for wish, offset in zip(wished, offsets, strict=False):
        total, count = wish - offset, 1
        while pools and pools[-1][0] / pools[-1][1] >= total / count:
            before_total, before_count = pools.pop()
            total, count = total + before_total, count + before_count
        pools.append((total, count))
    level = [total / count for total, count in pools for _ in range(count)]
    return [base + offset for base, offset in zip(level, offsets, strict=False)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


__all__ = ["Layout", "Node", "implied", "lay_out"]
