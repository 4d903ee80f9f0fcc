"""One look for all figures: legible in grey, the same file from the same numbers."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

INK, QUIET, PAPER = "#1b2a3a", "#8796a5", "#ffffff"
COLOURS = ("#2f6690", "#d98324", "#81a263", "#7d5ba6", "#b23a48", "#5fa8a8", "#a67c52", "#4a4e69")
"""Of falling lightness contrast, so that neighbours differ in grey too."""
OUTCOMES = {"ok": "#2f6690", "failed": "#b23a48", "skipped": "#b8c0c8"}

_SETTINGS = {
    "svg.hashsalt": "opendata-ferry",
    "font.size": 10,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def new_figure(*, height: float = 4.5) -> tuple[Figure, Any]:
    """Return a figure of 9 inches by `height`, and its axes."""
    plt.rcParams.update(_SETTINGS)  # type: ignore[arg-type]  # the stubs know each key by its literal
    figure, axes = plt.subplots(figsize=(9, height), layout="constrained")
    return figure, axes


def save(figure: Figure, *, out_dir: Path, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write <name>.svg, .png and .csv below `out_dir`."""
    out_dir.mkdir(parents=True, exist_ok=True)
    figure.savefig(out_dir / f"{name}.svg", facecolor=PAPER, metadata={"Date": None})
    figure.savefig(out_dir / f"{name}.png", facecolor=PAPER, dpi=130, metadata={"Software": None})
    plt.close(figure)
    with (out_dir / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(rows)


def bytes_text(count: float) -> str:
    """Return a number of bytes as people read it: 1.2 MB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable: TB returns")
