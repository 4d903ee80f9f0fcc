"""Draws a flow chart of several stages: bands true to scale, a label at every box."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch, PathPatch, Rectangle
from matplotlib.path import Path as Curve
from matplotlib.patheffects import withStroke

from ferry.report.evidence import TO_STAGE
from ferry.report.figures.flow_layout import Band, Layout, Order, lay_out
from ferry.report.figures.style import HATCHES, INK, OUTCOMES, PAPER, QUIET
from ferry.text.formatting import truncate

BOX_WIDTH, STAGE_WIDTH, LABEL_WIDTH = 9.0, 146.0, 160.0
FIRST_LABELS_WIDTH = 118.0
"""Left of the first boxes, where no band runs beneath their labels."""
MARGIN, HEAD, FOOT = 18.0, 62.0, 26.0
THINNEST = 0.8
"""Points below which no band is drawn: one record of 12,711 can still be seen."""

type Names = Mapping[str, str]


def draw_flow_chart(
    flows: Mapping[tuple[str, ...], float],
    *,
    stages: Sequence[str],
    fixed: Mapping[int, Order],
    title: str,
    text: Callable[[float], str],
) -> Figure:
    """Return the chart. A path names a box per stage and, last, its outcome (of `OUTCOMES`)."""
    most = max((len({path[stage] for path in flows}) for stage in range(len(stages))), default=0)
    layout = lay_out(flows, fixed=fixed, height=max(230.0, 24.0 * most))
    width = MARGIN * 2 + FIRST_LABELS_WIDTH + STAGE_WIDTH * (len(stages) - 1) + BOX_WIDTH + LABEL_WIDTH
    height = HEAD + layout.height + FOOT
    figure = Figure(figsize=(width / 72, height / 72), facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    left = MARGIN + FIRST_LABELS_WIDTH
    axes.set_xlim(-left, width - left)
    axes.set_ylim(-FOOT, layout.height + HEAD)
    axes.text(-FIRST_LABELS_WIDTH, layout.height + HEAD - 14, title, fontsize=12, fontweight="bold", va="top")
    for number, name in enumerate(stages):
        place, side = (number * STAGE_WIDTH, "left") if number else (BOX_WIDTH, "right")
        axes.text(place, layout.height + 14, name, fontsize=9, color=QUIET, va="bottom", ha=side)
    _draw_bands(axes, layout)
    _draw_boxes(axes, layout, text)
    _draw_legend(axes, flows)
    return figure


def _draw_bands(axes: Any, layout: Layout) -> None:
    order = {"ok": 1, "unverified": 2, "skipped": 3, TO_STAGE: 4, "failed": 5}
    for band in sorted(layout.bands, key=lambda band: (order.get(band.outcome, 1), band.source, band.target)):
        outcome = band.outcome
        axes.add_patch(
            PathPatch(
                _curve(band),
                facecolor=OUTCOMES[outcome],
                alpha=0.55 if outcome == "ok" else 0.9,
                hatch=HATCHES[outcome] if band.height > 4 else None,
                edgecolor=OUTCOMES[outcome] if outcome == "failed" else PAPER,  # also the colour of the hatch
                linewidth=0.3 if outcome == "ok" else 0,
                zorder=order[outcome],
            )
        )


def _curve(band: Band) -> Curve:
    height = max(band.height, THINNEST)
    x0, x1 = band.stage * STAGE_WIDTH + BOX_WIDTH, (band.stage + 1) * STAGE_WIDTH
    bend = (x0 + x1) / 2
    low0, low1 = band.left - height, band.right - height
    points = [
        (x0, band.left),
        *[(bend, band.left), (bend, band.right), (x1, band.right)],
        (x1, low1),
        *[(bend, low1), (bend, low0), (x0, low0)],
        (x0, band.left),
    ]
    codes = [Curve.MOVETO, *[Curve.CURVE4] * 3, Curve.LINETO, *[Curve.CURVE4] * 3, Curve.CLOSEPOLY]
    return Curve(points, codes)


def _draw_boxes(axes: Any, layout: Layout, text: Callable[[float], str]) -> None:
    halo = [withStroke(linewidth=3.5, foreground=PAPER, alpha=0.95)]
    for box in (box for stage in layout.boxes for box in stage):
        longest = 30 if box.stage == len(layout.boxes) - 1 else 22
        x = box.stage * STAGE_WIDTH
        height = max(box.height, THINNEST)
        axes.add_patch(Rectangle((x, box.middle - height / 2), BOX_WIDTH, height, color=INK, linewidth=0, zorder=5))
        at, side = (x + BOX_WIDTH + 4, "left") if box.stage else (x - 4, "right")
        label = axes.text(
            at, box.middle, truncate(box.name, longest), fontsize=8, va="center", ha=side, path_effects=halo, zorder=6
        )
        place, aside = ((1, 0.5), 4) if box.stage else ((0, 0.5), -4)
        axes.annotate(
            text(box.amount), place, xycoords=label, xytext=(aside, 0), textcoords="offset points", color=QUIET,
            fontsize=7, va="center", ha=side, path_effects=halo, zorder=6,
        )  # fmt: skip


def _draw_legend(axes: Any, flows: Mapping[tuple[str, ...], float]) -> None:
    there = {path[-1] for path, amount in flows.items() if amount}
    patches = [
        Patch(facecolor=colour, hatch=HATCHES[name], edgecolor=PAPER, label=name)
        for name, colour in OUTCOMES.items()
        if name in there
    ]
    if len(patches) > 1:
        axes.legend(
            handles=patches, loc="lower left", bbox_to_anchor=(0.01, 0.0), ncols=5, fontsize=8, borderaxespad=0.2
        )
