"""Where the boxes and bands of a flow chart lie: numbers in, numbers out, nothing is drawn here.

All lengths are points (1/72 inch), so that a label's height is known before anything is drawn.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

SLOT = 11.0
"""Height that every box takes at least, so that no two labels lie on each other."""
PAD = 6.0
"""Between two boxes of a stage."""
NO_NAME = "not stated"

type Path = tuple[str, ...]
type Order = Callable[[str], tuple[float, str]]


@dataclass(frozen=True)
class Box:
    """A name at a stage. Its height is true to the amount; its slot, around the same middle, has room for a label."""

    stage: int
    name: str
    amount: float
    middle: float
    height: float


@dataclass(frozen=True)
class Band:
    """What flows between two boxes and ends in one outcome; `left` and `right` are the upper edges of its ends."""

    stage: int
    source: str
    target: str
    outcome: str
    amount: float
    height: float
    left: float
    right: float


@dataclass(frozen=True)
class Layout:
    """Boxes by stage and bands, within `height` points; `scale` is points per unit."""

    height: float
    scale: float
    boxes: list[list[Box]]
    bands: list[Band]


def gather(flows: Mapping[Path, float], most: Sequence[int]) -> Counter[Path]:
    """Keep the `most[stage]` - 1 largest names of a stage that has more than `most[stage]`, and join the others."""
    gathered: Counter[Path] = Counter(dict(flows))
    for stage, limit in enumerate(most):
        totals = _totals(gathered, stage)
        if len(totals) <= limit:
            continue
        ranked = sorted(totals, key=lambda name: (-totals[name], name))
        kept = set(ranked[: limit - 1])
        rest = f"{len(ranked) - len(kept)} others"
        joined: Counter[Path] = Counter()
        for path, amount in gathered.items():
            name = path[stage] if path[stage] in kept else rest
            joined[(*path[:stage], name, *path[stage + 1 :])] += amount
        gathered = joined
    return gathered


def lay_out(flows: Mapping[Path, float], *, fixed: Mapping[int, Order], height: float) -> Layout:
    """Place boxes and bands. A path names a box at each stage and, last, its outcome.

    Stages in `fixed` are sorted by that key; the others so that bands cross little: each box near the mean of those
    it is joined with.
    """
    flows = {path: amount for path, amount in flows.items() if amount > 0}
    stages = len(next(iter(flows), ("",))) - 1
    totals = [_totals(flows, stage) for stage in range(stages)]
    scale = _scale(totals, height)
    orders = _orders(flows, totals, fixed)
    boxes = [_stack(stage, orders[stage], totals[stage], scale, height) for stage in range(stages)]
    return Layout(height, scale, boxes, _bands(flows, boxes, scale))


def _totals(flows: Mapping[Path, float], stage: int) -> Counter[str]:
    totals: Counter[str] = Counter()
    for path, amount in flows.items():
        totals[path[stage]] += amount  # type: ignore[assignment]
    return totals


def _scale(totals: Sequence[Mapping[str, float]], height: float) -> float:
    """Return the points per unit at which the fullest stage just fits, found by halving."""
    whole = max((sum(stage.values()) for stage in totals), default=0.0)
    if not whole:
        return 0.0
    low, high = 0.0, height / whole
    for _ in range(60):
        middle = (low + high) / 2
        fits = all(_stage_height(stage.values(), middle) <= height for stage in totals)
        low, high = (middle, high) if fits else (low, middle)
    return low


def _stage_height(amounts: Collection[float], scale: float) -> float:
    slots = [max(SLOT, amount * scale) for amount in amounts]
    return sum(slots) + PAD * (len(slots) - 1)


def _orders(
    flows: Mapping[Path, float], totals: Sequence[Mapping[str, float]], fixed: Mapping[int, Order]
) -> list[list[str]]:
    orders = [
        sorted(stage, key=fixed.get(number, lambda n, s=stage: (-s[n], n))) for number, stage in enumerate(totals)
    ]
    for sweep in range(6):
        forward = sweep % 2 == 0
        for stage in range(1, len(orders)) if forward else range(len(orders) - 2, -1, -1):
            if stage not in fixed:
                beside = stage - 1 if forward else stage + 1
                orders[stage] = _by_neighbours(flows, stage, beside, orders[beside])
    return orders


def _by_neighbours(flows: Mapping[Path, float], stage: int, beside: int, order: Sequence[str]) -> list[str]:
    rank = {name: number for number, name in enumerate(order)}
    weight: dict[str, float] = defaultdict(float)
    pull: dict[str, float] = defaultdict(float)
    for path, amount in flows.items():
        weight[path[stage]] += amount
        pull[path[stage]] += amount * rank[path[beside]]
    return sorted(weight, key=lambda name: (pull[name] / weight[name], name))


def _stack(stage: int, order: Sequence[str], totals: Mapping[str, float], scale: float, height: float) -> list[Box]:
    top = height - (height - _stage_height(totals.values(), scale)) / 2
    boxes = []
    for name in order:
        slot = max(SLOT, totals[name] * scale)
        boxes.append(Box(stage, name, totals[name], top - slot / 2, totals[name] * scale))
        top -= slot + PAD
    return boxes


def _bands(flows: Mapping[Path, float], boxes: Sequence[Sequence[Box]], scale: float) -> list[Band]:
    bands = []
    for stage in range(len(boxes) - 1):
        links: Counter[tuple[str, str, str]] = Counter()
        for path, amount in flows.items():
            links[path[stage], path[stage + 1], path[-1]] += amount  # type: ignore[assignment]
        lefts = _edges(links, boxes[stage], boxes[stage + 1], scale, own=0, other=1)
        rights = _edges(links, boxes[stage + 1], boxes[stage], scale, own=1, other=0)
        bands += [
            Band(stage, *link, amount, amount * scale, lefts[link], rights[link]) for link, amount in links.items()
        ]
    return bands


def _edges(
    links: Mapping[tuple[str, str, str], float],
    boxes: Sequence[Box],
    facing: Sequence[Box],
    scale: float,
    *,
    own: int,
    other: int,
) -> dict[tuple[str, str, str], float]:
    """Return the upper edge of each band at a box: from above in the order of the boxes that it leads to."""
    rank = {box.name: number for number, box in enumerate(facing)}
    free = {box.name: box.middle + box.height / 2 for box in boxes}
    edges = {}
    for link in sorted(links, key=lambda link: (rank[link[other]], link[2])):
        edges[link] = free[link[own]]
        free[link[own]] -= links[link] * scale
    return edges
