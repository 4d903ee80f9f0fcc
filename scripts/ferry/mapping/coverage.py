"""What became of the values of many records: tables made from the receipts `mapping`."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

NO_EXPERIMENT = "(none)"
SHOWN_EACH = 3  # targets or reasons that a row names
STATES = ("mapped", "dropped", "unknown")


@dataclass
class _Tally:
    records: int = 0
    warned: int = 0
    corrected: int = 0
    unknown_paths: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)


def coverage_table(mappings: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per experiment, sorted by name; a record of several experiments is a row "ALICE + ATLAS".

    Columns: experiment, records, values, mapped, dropped, unknown (numbers of values), mapped_share (0 to 1),
    unknown_paths (the most frequent, with ", " between), records_with_warnings, records_corrected.
    """
    tallies: dict[str, _Tally] = {}
    for mapping in mappings:
        tally = tallies.setdefault(_experiment(mapping), _Tally())
        tally.records += 1
        tally.warned += bool(mapping["warnings"])
        tally.corrected += bool(mapping["corrected"])
        tally.values.update({state: mapping["leaves"][state] for state in STATES})
        tally.unknown_paths.update(
            {row["path"]: row["count"] for row in mapping["paths"] if row["status"] == "unknown"}
        )
    return [_coverage_row(name, tally) for name, tally in sorted(tallies.items())]


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


def path_table(mappings: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per experiment and path of the source, sorted: where it goes, or why it goes nowhere.

    Columns: experiment, path, records, mapped, dropped, unknown (numbers of values), to (the most frequent targets),
    rules, reasons (each with "; " between).
    """
    records: Counter[tuple[str, str]] = Counter()
    values: dict[tuple[str, str], Counter[str]] = {}
    words: dict[tuple[str, str], dict[str, Counter[str]]] = {}
    for mapping in mappings:
        experiment = _experiment(mapping)
        records.update({(experiment, row["path"]) for row in mapping["paths"]})
        for row in mapping["paths"]:
            key = (experiment, row["path"])
            values.setdefault(key, Counter())[row["status"]] += row["count"]
            said = words.setdefault(key, {"to": Counter(), "rules": Counter(), "reasons": Counter()})
            for target in row.get("to", ()):
                said["to"][target] += row["count"]
            for name, column in (("rule", "rules"), ("reason", "reasons")):
                if name in row:
                    said[column][row[name]] += row["count"]
    return [
        {
            "experiment": key[0],
            "path": key[1],
            "records": records[key],
            **{state: values[key][state] for state in STATES},
            **{column: "; ".join(_most(counted)) for column, counted in words[key].items()},
        }
        for key in sorted(values)
    ]


def _experiment(mapping: Mapping[str, Any]) -> str:
    return " + ".join(sorted(mapping["experiments"])) or NO_EXPERIMENT


def _most(counted: Counter[str]) -> list[str]:
    # by frequency, then by name: the order must not depend on which record came first
    return [name for name, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_EACH]]
