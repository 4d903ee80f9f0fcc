"""One look for all figures: legible in grey, and the same file from the same numbers."""

import io
import itertools
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ferry import chain
from ferry.csv_tables import write_csv
from ferry.report.evidence import TO_STAGE

INK, QUIET, FAINT, PAPER = "#1b2a3a", "#5c6b7a", "#dfe4e9", "#ffffff"

OUTCOMES = {"ok": "#8db4d3", "unverified": "#e8a33d", "failed": "#9c1c2b", "skipped": "#b9b9b9", TO_STAGE: "#a892c4"}
"""Light, dotted, dark, hatched, crossed: told apart without colour too. Unverified is ok with files nothing proves."""
HATCHES = {"ok": "", "unverified": "....", "failed": "", "skipped": "////", TO_STAGE: "xxxx"}

_LOOKS = (
    ("#b9c7d4", ":"),
    ("#1f5a86", "-"),
    ("#cdbfa6", ":"),
    ("#d98324", "--"),
    ("#5d8a3a", "-."),
    ("#7d5ba6", (0, (1, 1))),
    ("#c9c9c9", ":"),
)
STEPS = dict(zip(chain.STEPS, itertools.cycle(_LOOKS), strict=False))
"""Colour and line of each step; lines differ too, so that a print in grey can be read."""

_OUTLINE = re.compile(r' d="[^"]*"')
_BEYOND_HUNDREDTHS = re.compile(r"(\.\d\d)\d+")

_SETTINGS = {
    "svg.hashsalt": "opendata-ferry",
    "svg.fonttype": "path",
    "hatch.linewidth": 0.6,
    "font.family": "DejaVu Sans",  # comes with matplotlib, so a figure does not depend on the machine
    "font.size": 9,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "text.parse_math": False,  # a $ in a title or an error is a dollar
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Drawing:
    """A figure and the table that it was drawn from."""

    figure: Figure
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@contextmanager
def in_style() -> Iterator[None]:
    """Give the context in which figures are made and saved, by nobody's matplotlibrc; settings of the process stay."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)  # type: ignore[arg-type]  # the stubs know each key by its literal
        yield


def new_figure(
    *, width: float = 10.0, height: float = 4.6, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, Any]:
    """Return a figure of `width` by `height` inches and its axes (an array if there are several)."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **options)


def put_title(axes: Any, text: str) -> None:
    """Put the title above the axes, in two lines if it is long."""
    axes.set_title(textwrap.fill(text, 84))


def nothing_to_draw(title: str, text: str, columns: Sequence[str], rows: Sequence[Sequence[Any]] = ()) -> Drawing:
    """Return a figure with one sentence where the plot would be."""
    figure, axes = new_figure(height=2.0)
    axes.set_title(title)
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=QUIET, fontsize=11, transform=axes.transAxes)
    return Drawing(figure, columns, rows)


def shortened(svg: str) -> str:
    """Return an SVG whose outlines are told to a hundredth of a point: a third less to carry in a report."""
    return _OUTLINE.sub(lambda found: _BEYOND_HUNDREDTHS.sub(r"\1", found[0]), svg)


def save(drawing: Drawing, *, out_dir: Path, name: str) -> None:
    """Write <name>.svg, .png and .csv below `out_dir`."""
    out_dir.mkdir(parents=True, exist_ok=True)
    figure = drawing.figure
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    figure.set_layout_engine("none")
    (out_dir / f"{name}.svg").write_text(shortened(drawn.getvalue()), encoding="utf-8")
    figure.savefig(out_dir / f"{name}.png", dpi=130, metadata={"Software": None})
    write_csv(out_dir / f"{name}.csv", drawing.columns, drawing.rows)
