"""What became of the values of many records: tables made from the receipts `mapping`."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

NO_EXPERIMENT = "(none)"
SHOWN_EACH = 3  # targets or reasons that a row names
MAX_VALUE = 300  # characters of a corrected value in the table
STATES = ("mapped", "dropped", "unknown")
CORRECTION_COLUMNS = ("recid", "path", "before", "after")


@dataclass
class _Tally:
    records: int = 0
    warned: int = 0
    corrected: int = 0
    unknown_paths: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)


@dataclass
class _Path:
    records: int = 0
    values: Counter[str] = field(default_factory=Counter)
    to: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass
class Coverage:
    """Counts record after record; its size grows with the number of paths, not of records."""

    _experiments: dict[str, _Tally] = field(default_factory=dict)
    _paths: dict[tuple[str, str], _Path] = field(default_factory=dict)
    _corrections: list[dict[str, Any]] = field(default_factory=list)

    def add(self, mapping: Mapping[str, Any]) -> None:
        """Take a receipt `mapping` into account."""
        experiment = " + ".join(sorted(mapping["experiments"])) or NO_EXPERIMENT
        tally = self._experiments.setdefault(experiment, _Tally())
        tally.records += 1
        tally.warned += bool(mapping["warnings"])
        tally.corrected += bool(mapping["corrected"])
        tally.values.update({state: mapping["leaves"][state] for state in STATES})
        for change in mapping["corrected"]:
            values = {name: _shown(change[name]) for name in ("before", "after")}
            self._corrections.append({"recid": mapping["recid"], "path": change["path"], **values})
        seen: set[str] = set()
        for row in mapping["paths"]:
            if row["status"] == "unknown":
                tally.unknown_paths[row["path"]] += row["count"]
            known = self._paths.setdefault((experiment, row["path"]), _Path())
            known.records += row["path"] not in seen
            seen.add(row["path"])
            known.values[row["status"]] += row["count"]
            for words, said in (
                (known.to, row.get("to")),
                (known.rules, row.get("rule")),
                (known.reasons, row.get("reason")),
            ):
                words.update(dict.fromkeys([said] if isinstance(said, str) else said or (), row["count"]))

    def experiments(self) -> list[dict[str, Any]]:
        """Return one row per experiment, sorted by name; a record of several experiments is a row "ALICE + ATLAS".

        Columns: experiment, records, values, mapped, dropped, unknown (numbers of values), mapped_share (0 to 1),
        unknown_paths (the most frequent, with ", " between), records_with_warnings, records_corrected.
        """
        return [_coverage_row(name, tally) for name, tally in sorted(self._experiments.items())]

    def paths(self) -> list[dict[str, Any]]:
        """Return one row per experiment and path of the source, sorted: where it goes, or why it goes nowhere.

        Columns: experiment, path, records, mapped, dropped, unknown (numbers of values), to (the most frequent
        targets), rules, reasons (each with "; " between).
        """
        return [
            {
                "experiment": experiment,
                "path": path,
                "records": known.records,
                **{state: known.values[state] for state in STATES},
                "to": "; ".join(_most(known.to)),
                "rules": "; ".join(_most(known.rules)),
                "reasons": "; ".join(_most(known.reasons)),
            }
            for (experiment, path), known in sorted(self._paths.items())
        ]

    def corrections(self) -> list[dict[str, Any]]:
        """Return one row per value that a correction changed, by recid and path: CORRECTION_COLUMNS."""
        return sorted(self._corrections, key=lambda row: (row["recid"], row["path"]))


def coverage_of(mappings: Iterable[Mapping[str, Any]]) -> Coverage:
    """Return the coverage of these records."""
    coverage = Coverage()
    for mapping in mappings:
        coverage.add(mapping)
    return coverage


def _coverage_row(name: str, tally: _Tally) -> dict[str, Any]:
    total = tally.values.total()
    return {
        "experiment": name,
        "records": tally.records,
        "values": total,
        **{state: tally.values[state] for state in STATES},
        "mapped_share": round(tally.values["mapped"] / total, 4) if total else 0.0,
        "unknown_paths": ", ".join(_most(tally.unknown_paths)),
        "records_with_warnings": tally.warned,
        "records_corrected": tally.corrected,
    }


def _shown(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def _most(counted: Counter[str]) -> list[str]:
    # by frequency, then by name: the order must not depend on which record came first
    return [name for name, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_EACH]]
