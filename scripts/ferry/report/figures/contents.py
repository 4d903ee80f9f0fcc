"""What the records hold: how many files, how large, and which fields of the target metadata they fill."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap

from ferry.chain import DOWNLOAD_STEP, PACKAGE_STEP
from ferry.report.figures.style import FAINT, INK, PAPER, QUIET, STEPS, Drawing, new_figure, nothing_to_draw
from ferry.report.figures.tables import Run
from ferry.text.formatting import format_bytes, format_count, plural

_BLUE = LinearSegmentedColormap.from_list("blue", [PAPER, "#cfe0ec", "#8db4d3", "#2f6690"])
_MOST_TYPES, _MOST_FIELDS = 7, 40
_FILE_STEPS = [0, 1, 2, 6, 21, 101, 1001, np.inf]
_FILE_NAMES = ["0", "1", "2-5", "6-20", "21-100", "101-1,000", "more"]
_BYTE_STEPS = [0, 1, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, np.inf]
_BYTE_NAMES = ["0", "<1 kB", "<10 kB", "<100 kB", "<1 MB", "<10 MB", "<100 MB", "<1 GB", "<10 GB", "<100 GB", "more"]


def files_and_sizes(run: Run) -> Drawing:
    """Draw how many files a record has, how large a record is, and how large a file is."""
    columns = ["of", "from", "below", "count"]
    sizes = run.stats["source_bytes"].dropna().astype(float)
    listed = run.stats.loc[run.stats["source_bytes"].notna() | (run.stats["file_count"] > 0), "file_count"]
    panels = (
        ("files of a record", listed.to_numpy(float), _FILE_STEPS, _FILE_NAMES, "records"),
        ("bytes of a record", sizes.to_numpy(float), _BYTE_STEPS, _BYTE_NAMES, "records"),
        ("bytes of a file", run.file_sizes.astype(float), _BYTE_STEPS, _BYTE_NAMES, "files"),
    )
    figure, axes = new_figure(columns=3, width=11.5, height=4.0)
    rows: list[list[Any]] = []
    for panel, (name, values, steps, names, unit), colour in zip(
        axes, panels, (STEPS[DOWNLOAD_STEP][0], STEPS[DOWNLOAD_STEP][0], STEPS[PACKAGE_STEP][0]), strict=True
    ):
        counts = np.histogram(values, bins=[*steps[:-1], 1e300])[0] if len(values) else np.zeros(len(names), int)
        panel.barh(range(len(names)), counts, height=0.7, color=colour)
        for place, count in enumerate(counts):
            if count:
                panel.text(count, place, f" {format_count(count)}", va="center", fontsize=8)
        panel.set_yticks(range(len(names)), names)
        panel.set_xlim(0, max(int(counts.max()), 1) * 1.25)
        panel.set_xticks([])
        panel.spines["bottom"].set_visible(False)
        middle = float(np.median(values)) if len(values) else 0.0
        text = format_count(middle) if name.startswith("files") else format_bytes(middle)
        panel.set_title(f"{name}: median {text}", fontsize=9, fontweight="normal")
        panel.set_xlabel(unit)
        rows += [[name, start, stop, int(count)] for start, stop, count in zip(steps, steps[1:], counts, strict=False)]
    whole = f"{plural(int(run.stats['file_count'].sum()), 'file')} and {format_bytes(float(sizes.sum()))}"
    figure.suptitle(
        f"{plural(len(run.stats), 'record')} with {whole}", x=0.01, ha="left", fontsize=12, fontweight="bold"
    )
    return Drawing(figure, columns, rows)


def metadata_coverage(run: Run) -> Drawing:
    """Draw which share of the records of each type fills which field of the target metadata."""
    columns = ["field", "type", "records", "filled", "share"]
    mapped = run.stats[run.stats["metadata_fields"].map(lambda names: names is not None and len(names) > 0)]
    if mapped.empty:
        why = "The fields are counted once records are transformed."
        return nothing_to_draw("No record has target metadata yet", why, columns)
    kinds = mapped["type_secondary"].fillna(mapped["type_primary"]).fillna("not stated")
    ranked = list(kinds.value_counts().index)
    kinds = kinds if len(ranked) <= _MOST_TYPES else kinds.where(kinds.isin(ranked[: _MOST_TYPES - 1]), "other types")
    groups = [("all", mapped)] + [(str(kind), mapped[kinds == kind]) for kind in kinds.value_counts().index]
    shares = pd.DataFrame({kind: _share(group) for kind, group in groups}).fillna(0.0)
    shares = shares.loc[sorted(shares.index, key=lambda name: (-shares.loc[name, "all"], name))]
    rows = [
        [
            field,
            kind,
            len(group),
            round(float(shares.loc[field, kind]) * len(group)),
            round(float(shares.loc[field, kind]), 4),
        ]
        for field in shares.index
        for kind, group in groups
    ]
    shown = shares.head(_MOST_FIELDS)
    figure, axes = new_figure(width=3.2 + 1.05 * len(groups), height=1.6 + 0.25 * len(shown))
    axes.imshow(shown.to_numpy(), cmap=_BLUE, vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shown.to_numpy()):
        text = "-" if share == 0 else f"{min(share, 0.99):.0%}" if share < 1 else "100%"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color=PAPER if share > 0.85 else INK)
    axes.set_yticks(range(len(shown)), list(shown.index))
    labels = [f"{kind}\n{format_count(len(group))}" for kind, group in groups]
    axes.set_xticks(range(len(groups)), labels)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.axvline(0.5, color=QUIET, linewidth=1)
    axes.set_xticks(np.arange(len(groups) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(shown) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=FAINT, linewidth=0.8)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    full = int((shares["all"] >= 1).sum())
    title = f"{plural(full, 'field')} of {len(shares)} filled in every record"
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    return Drawing(figure, columns, rows)


def _share(group: pd.DataFrame) -> "pd.Series[float]":
    return group["metadata_fields"].explode().value_counts() / len(group)
