"""A flow chart of several stages (Sankey): what went in, by which kinds it went, and how it ended."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.patches import PathPatch
from matplotlib.path import Path as Curve

from ferry.figures.style import COLOURS, OUTCOMES, QUIET

NODE_WIDTH = 0.035
GAP = 0.03
"""Between two nodes of a stage, as a share of the height."""
MOST_NODES = 9
"""A stage with more shows the largest by name and the rest as one."""


@dataclass(frozen=True)
class Node:
    """One box: where it stands and how much flows through it."""

    stage: int
    name: str
    amount: float
    bottom: float
    height: float


def paths_of(
    rows: Sequence[Mapping[str, Any]], stages: Sequence[str], amount: Callable[[Mapping[str, Any]], float]
) -> Counter[tuple[str, ...]]:
    """Add up what flows along each path through the stages; rare names of a stage are gathered as «other»."""
    flows: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        flows[tuple(_name(row[stage]) for stage in stages)] += amount(row)  # type: ignore[assignment]
    for stage in range(len(stages)):
        totals: Counter[str] = Counter()
        for path, value in flows.items():
            totals[path[stage]] += value
        kept = {name for name, _ in totals.most_common(MOST_NODES - 1)} if len(totals) > MOST_NODES else set(totals)
        gathered: Counter[tuple[str, ...]] = Counter()
        for path, value in flows.items():
            name = path[stage] if path[stage] in kept else "other"
            gathered[(*path[:stage], name, *path[stage + 1 :])] += value
        flows = gathered
    return flows


def place_nodes(flows: Mapping[tuple[str, ...], float]) -> list[list[Node]]:
    """Stack the nodes of each stage from the top, the largest first; heights are shares of the whole."""
    total = sum(flows.values()) or 1
    count = len(next(iter(flows), ()))
    placed = []
    for stage in range(count):
        totals: Counter[str] = Counter()
        for path, value in flows.items():
            totals[path[stage]] += value  # type: ignore[assignment]
        room = 1 - GAP * (len(totals) - 1)
        top, nodes = 1.0, []
        for name, value in sorted(totals.items(), key=lambda item: (-item[1], item[0])):
            height = room * value / total
            nodes.append(Node(stage, name, value, top - height, height))
            top -= height + GAP
        placed.append(nodes)
    return placed


def draw_sankey(axes: Any, flows: Mapping[tuple[str, ...], float], *, stages: Sequence[str], text: Any) -> None:
    """Draw the flows into the axes; `text` turns an amount into words."""
    axes.set_axis_off()
    axes.set_xlim(-0.02, len(stages) - 1 + 0.42)
    axes.set_ylim(-0.04, 1.1)
    placed = place_nodes(flows)
    nodes = {(node.stage, node.name): node for stage in placed for node in stage}
    colours = _colours(placed)
    for stage in range(len(stages) - 1):
        _draw_ribbons(axes, flows, nodes, stage, colours)
    for stage, title in enumerate(stages):
        axes.text(stage, 1.05, title, fontsize=9, color=QUIET)
    for node in nodes.values():
        colour = colours[node.stage, node.name]
        axes.bar(
            node.stage, max(node.height, 0.004), NODE_WIDTH, bottom=node.bottom, align="edge", color=colour, zorder=3
        )
        axes.text(
            node.stage + NODE_WIDTH + 0.015,
            node.bottom + node.height / 2,
            f"{node.name}  {text(node.amount)}",
            va="center",
            fontsize=8,
            zorder=4,
        )


def _draw_ribbons(
    axes: Any,
    flows: Mapping[tuple[str, ...], float],
    nodes: Mapping[tuple[int, str], Node],
    stage: int,
    colours: Mapping[tuple[int, str], str],
) -> None:
    links: Counter[tuple[str, str]] = Counter()
    for path, value in flows.items():
        links[path[stage], path[stage + 1]] += value  # type: ignore[assignment]
    used: dict[tuple[int, str], float] = defaultdict(float)
    order = sorted(links, key=lambda link: (-nodes[stage, link[0]].bottom, -nodes[stage + 1, link[1]].bottom))
    for left, right in order:
        ends = []
        for node in (nodes[stage, left], nodes[stage + 1, right]):
            height = node.height * links[left, right] / node.amount if node.amount else 0.0
            top = node.bottom + node.height - used[node.stage, node.name]
            used[node.stage, node.name] += height
            ends.append((top, top - height))
        x0, x1 = stage + NODE_WIDTH, stage + 1
        middle = (x0 + x1) / 2
        (top0, bottom0), (top1, bottom1) = ends
        curve = Curve(
            [
                (x0, top0), (middle, top0), (middle, top1), (x1, top1),
                (x1, bottom1), (middle, bottom1), (middle, bottom0), (x0, bottom0), (x0, top0),
            ],
            [Curve.MOVETO, *[Curve.CURVE4] * 3, Curve.LINETO, *[Curve.CURVE4] * 3, Curve.CLOSEPOLY],
        )  # fmt: skip
        axes.add_patch(PathPatch(curve, facecolor=colours[stage + 1, right], alpha=0.35, linewidth=0, zorder=1))


def _colours(placed: Sequence[Sequence[Node]]) -> dict[tuple[int, str], str]:
    colours = {}
    for stage in placed:
        for number, node in enumerate(stage):
            colours[node.stage, node.name] = OUTCOMES.get(node.name, COLOURS[number % len(COLOURS)])
    return colours


def _name(value: Any) -> str:
    if value is None or value == "":
        return "none"
    return "+".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)
