"""Two flow charts: by which kinds the records, and their bytes, went, and how they ended."""

from collections import Counter
from collections.abc import Callable, Mapping

import pandas as pd

from ferry.report.evidence import TO_STAGE
from ferry.report.figures.flow_chart import draw_flow_chart
from ferry.report.figures.flow_layout import NO_NAME, Order, gather
from ferry.report.figures.style import Drawing, nothing_to_draw
from ferry.report.figures.tables import Run, looks_of
from ferry.text.formatting import format_bytes, format_count, format_part_of, plural

STAGES = ("Experiment", "Year", "Category", "Type", "Format", "Packaging", "Outcome")
_MOST = (9, 14, 9, 9, 9, 9, 14)
_OUTCOME_ORDER = ("published", "in review", "draft", "declined", TO_STAGE, "skipped")


def records_by_outcome(run: Run) -> Drawing:
    """Draw how many records of which kind went which way."""
    counts = looks_of(run.stats).value_counts()
    unverified, whole = int(counts.get("unverified", 0)), len(run.stats)
    ok = int(counts.get("ok", 0)) + unverified
    title = f"{format_count(ok)} of {plural(whole, 'record')} arrived complete"
    title += f", {format_count(unverified)} of them unverified" if unverified else ""
    title += _rest(counts)
    return _draw(run, pd.Series(1, index=run.stats.index), title=title, unit="records", text=format_count)


def bytes_by_outcome(run: Run) -> Drawing:
    """Draw how many bytes of which kind went which way."""
    amounts = run.stats["source_bytes"].fillna(0)
    arrived = float(amounts[run.stats["status"] == "ok"].sum())
    unknown = int(run.stats["source_bytes"].isna().sum())
    part = format_part_of(arrived, float(amounts.sum()))
    title = f"{part[0].upper()}{part[1:]} arrived in complete records"
    title += f"; the size of {plural(unknown, 'record')} is not known" if unknown else ""
    return _draw(run, amounts, title=title, unit="bytes", text=format_bytes)


def outcome_of(stats: pd.DataFrame) -> pd.Series:
    """Return the outcome of each record in words: how it stands in the repository, failed where, what it waits for."""
    ok, looks = stats["status"] == "ok", looks_of(stats)
    words = ("failed: " + stats["step"].fillna("unknown").astype(str)).where(stats["status"] == "failed", "skipped")
    words = words.mask((stats["status"] == "failed") & (stats["state"] == "declined"), "declined")
    words = words.mask(ok, stats["state"].str.replace("_", " ").fillna("draft"))
    words = words.mask(looks == TO_STAGE, TO_STAGE)
    return words.mask(looks == "unverified", words + ", unverified")


def packaging_of(stats: pd.DataFrame) -> pd.Series:
    """Return how each record was packed, in words."""
    zipped = stats["zip_used"].fillna(value=False).astype(bool)
    words = pd.Series("loose files", index=stats.index)
    words = words.mask(zipped & (stats["bundle_count"] == 1), "one bundle")
    words = words.mask(zipped & (stats["bundle_count"] > 1), "several bundles")
    words = words.mask(stats["zip_used"].isna(), "not packaged")
    return words.mask((stats["file_count"] == 0) & stats["zip_used"].notna(), "no files")


def _draw(run: Run, amounts: pd.Series, *, title: str, unit: str, text: Callable[[float], str]) -> Drawing:
    stats = run.stats
    names = pd.DataFrame(
        {
            "experiment": stats["experiment"].fillna("unknown"),
            "year": stats["year"].map(lambda value: NO_NAME if pd.isna(value) else str(int(value))),
            "category": stats["category"].fillna(NO_NAME),
            "type": stats["type_secondary"].fillna(stats["type_primary"]).fillna(NO_NAME),
            "format": stats["formats"]
            .map(lambda words: "+".join(words) if words is not None else "")
            .replace("", NO_NAME),
            "packaging": packaging_of(stats),
            "outcome": outcome_of(stats),
            "status": looks_of(stats),
        }
    )
    flows: Counter[tuple[str, ...]] = Counter()
    for path, amount in zip(names.itertuples(index=False, name=None), amounts, strict=True):
        flows[path] += amount
    rows = [[*path, int(amount)] for path, amount in sorted(flows.items())]
    columns = [*names.columns, unit]
    shown = gather(flows, _MOST)
    if not any(shown.values()):
        return nothing_to_draw(title, f"There are no {unit} to draw.", columns, rows)
    fixed: dict[int, Order] = {0: _by_amount(shown, 0), 1: _by_amount(shown, 1), len(STAGES) - 1: _by_outcome}
    return Drawing(draw_flow_chart(shown, stages=STAGES, fixed=fixed, title=title, text=text), columns, rows)


def _rest(counts: "pd.Series[int]") -> str:
    parts = [f"{format_count(counts[look])} {look}" for look in ("failed", "skipped", TO_STAGE) if look in counts]
    return "; " + ", ".join(parts) if parts else ""


def _by_amount(shown: Mapping[tuple[str, ...], float], stage: int) -> Order:
    """Return the order of the boxes of a stage: the largest first, and what is gathered last."""
    totals: Counter[str] = Counter()
    for path, amount in shown.items():
        totals[path[stage]] += amount  # type: ignore[assignment]
    return lambda name: (float("inf") if name.endswith(" others") else -totals[name], name)


def _by_outcome(name: str) -> tuple[float, str]:
    known = [name.startswith(start) for start in _OUTCOME_ORDER]
    return (float(known.index(True)) if any(known) else 10.0, name)
