"""A run's folder made up in numbers: receipts and journals of many records as the steps would have left them.

Sizes and kinds are like those of the portal (a few giants, many small); nothing is moved, so thousands take seconds.
"""

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from target_records import mapping, target

from ferry.receipts import digest, write_receipt
from ferry.report.evidence import read_evidence
from ferry.report.proof import proof_of
from ferry.report.stats import record_stats

URL = "https://repository.example.org"
BEGAN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
KINDS = (
    ("Dataset", "Collision", "Higgs physics", ["LONG", "SHORT"]),
    ("Dataset", "Simulated", "Standard Model physics", ["fadsim"]),
    ("Dataset", "Simulated", "Supersymmetry", ["root"]),
    ("Software", "Analysis", "Tools", ["zip"]),
    ("Documentation", "Report", "Exotica", ["pdf"]),
    ("Supplementaries", "Luminosity", "B physics", ["csv", "txt"]),
)
FAULTS = (
    ("read_record", "PermanentError", "portal: expected a record, found 404; is the recid right?"),
    ("download_files", "TransientError", "root://eospublic.cern.ch//eos/x.al: no byte for 60 s; run again"),
    ("download_files", "IntegrityError", "x.al: expected adler32 0000000b, found 0000000c; the source changed"),
    ("transform_record", "PermanentError", "creators.0.name: expected a name, found an empty text"),
    ("package_files", "OSError", "No space left on device"),
    ("upload_record", "TransientError", "PUT files/a.al/content: 502 five times in a row; is the repository up?"),
)


@dataclass(frozen=True)
class Plan:
    """What becomes of one record."""

    recid: int
    sizes: list[int]
    kind: tuple[str, str, str, list[str]]
    experiment: str
    year: int
    fault: tuple[str, str, str] | None
    reached: bool


def plan_run(*, records: int, files: int, failed: int = 0, skipped: int = 0, seed: int = 8) -> list[Plan]:
    """Return `records` plans with `files` files together; `failed` of them fail, the last `skipped` are not reached."""
    rng = random.Random(seed)
    weights = [rng.paretovariate(0.9) for _ in range(records)]
    counts = [max(1, int(files * weight / sum(weights))) for weight in weights]
    counts[counts.index(max(counts))] += files - sum(counts)
    bad = set(rng.sample(range(records - skipped), failed))
    return [
        Plan(
            recid=80001 + number,
            sizes=[int(10 ** rng.gauss(5.5, 1.3)) for _ in range(count)],
            kind=KINDS[min(int(rng.expovariate(0.6)), len(KINDS) - 1)],
            experiment=rng.choice(("ALICE", "ATLAS", "CMS", "DELPHI", "DELPHI", "DELPHI", "LHCb")),
            year=rng.choice((1991, 1995, 2000, 2012)),
            fault=FAULTS[number % len(FAULTS)] if number in bad else None,
            reached=number < records - skipped,
        )
        for number, count in enumerate(counts)
    ]


def write_run(folder: Path, plans: list[Plan], *, title: str = "Data set", lanes: int = 6) -> None:
    """Write results/<recid>/ and logs/<recid>/journal.jsonl below `folder`, not synced to the disk."""
    free_s = [0.0] * lanes
    for number, plan in enumerate(plans):
        results, logs = folder / "results" / str(plan.recid), folder / "logs" / str(plan.recid)
        logs.mkdir(parents=True)
        results.mkdir(parents=True)
        if not plan.reached:
            continue
        lane = free_s.index(min(free_s))
        lines, free_s[lane] = _journal(plan, begin_s=free_s[lane], number=number)
        (logs / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        for name, document in _receipts(plan, f"{title} {number}").items():
            sealed = document if name == "record" else {**document, "sha256": digest(document)}
            (results / f"{name}.json").write_text(json.dumps(sealed), encoding="utf-8")
        if plan.fault is None:
            evidence = read_evidence(recid=plan.recid, record_dir=results, journal=logs / "journal.jsonl")
            write_receipt(results / "proof.json", "proof", proof_of(evidence.receipts))
            write_receipt(results / "stats.json", "stats", record_stats(evidence, publish=False))


def _journal(plan: Plan, *, begin_s: float, number: int) -> tuple[list[dict], float]:
    size_bytes = sum(plan.sizes)
    slow = 8 if number % 97 == 5 else 1
    steps = {
        "read_record": (0.2, {}),
        "download_files": (0.3 + slow * size_bytes / 40e6, {"bytes_moved": size_bytes, "files_moved": len(plan.sizes)}),
        "transform_record": (0.2, {}),
        "package_files": (0.2 + size_bytes / 200e6, {"bytes_moved": size_bytes}),
        "upload_record": (0.5 + size_bytes / 25e6, {"bytes_moved": size_bytes, "requests": 9, "rate_wait_s": 0.1}),
        "record_stats": (0.1, {}),
    }
    lines: list[dict] = []
    for step, (seconds, measured) in steps.items():
        failed = plan.fault is not None and plan.fault[0] == step
        again = failed or (step == "upload_record" and number % 40 == 7)
        for attempt in (1, 2) if again else (1,):
            identity = {"run_id": "20260302T080000Z-abcdef", "recid": plan.recid, "step": step, "attempt": attempt}
            identity |= {"boot_id": "one", "host": "worker", "pid": 100 + number}
            lines.append({"event": "start", **identity, **_at(begin_s)})
            begin_s += seconds
            wrong = failed or (again and attempt == 1)
            error = {"type": plan.fault[1], "message": plan.fault[2]} if failed and plan.fault else None
            error = error or ({"type": "TransientError", "message": "502"} if wrong else None)
            status = {"status": "failed" if wrong else "ok", "error": error, "duration_s": round(seconds, 6)}
            measures = {"measured": {**measured, "peak_memory_bytes": 90_000_000}}
            lines.append({"event": "end", **identity, **_at(begin_s), **status, **measures})
            begin_s += 0.05
        if failed:
            break
    return lines, begin_s


def _at(second: float) -> dict:
    at = (BEGAN + timedelta(seconds=second)).isoformat(timespec="milliseconds")
    return {"at": at, "monotonic_s": round(1000 + second, 6)}


def _receipts(plan: Plan, title: str) -> dict[str, dict]:
    files = [
        {"key": f"part{number:05}.al", "size_bytes": size, "adler32": f"{number:08x}", "crc32": f"{number:08x}"}
        for number, size in enumerate(plan.sizes)
    ]
    primary, secondary, category, formats = plan.kind
    source = [
        {
            "key": file["key"],
            "uri": f"root://eospublic.cern.ch//eos/opendata/{plan.recid}/{file['key']}",
            "size_bytes": file["size_bytes"],
            "checksum": {"algorithm": "adler32", "value": file["adler32"]},
            "online": True,
        }
        for file in files
    ]
    loose = [
        {**{name: file[name] for name in ("key", "size_bytes", "adler32")}, "kind": "file", "members": []}
        | {"path": f"files/{file['key']}"}
        for file in files
    ]
    bundle = {"key": f"{plan.recid}.zip", "kind": "bundle", "path": f"bundles/{plan.recid}.zip", "members": files}
    uploads = [bundle | {"size_bytes": sum(plan.sizes), "adler32": "0000000b"}] if len(files) > 20 else loose
    there = {"repository": URL, "record_id": f"rec-{plan.recid}", "record_url": f"{URL}/uploads/rec-{plan.recid}"}
    held = [{name: item[name] for name in ("key", "size_bytes", "adler32")} | {"md5": "a" * 32} for item in uploads]
    record = {
        "title": title,
        "experiment": [plan.experiment],
        "date_created": [str(plan.year)],
        "type": {"primary": primary, "secondary": [secondary]},
        "categories": {"primary": category},
        "distribution": {"formats": formats},
    }
    fields = target(plan.recid, title=title, dates=[1], subjects=[1] if plan.recid % 3 else [])
    origin = {"recid": plan.recid, "origin": "metadata", "record": record, "files": source}
    documents = {
        "read_record": ("source", origin),
        "download_files": ("download", {"files": [{**file, "verified": "adler32"} for file in files]}),
        "transform_record": ("record", fields),
        "package_files": ("package", {"uploads": uploads}),
        "upload_record": ("upload", {**there, "files": held, "metadata_sha256": digest(fields)}),
    }
    made = {}
    for step, (name, document) in documents.items():
        if plan.fault is not None and plan.fault[0] == step:
            break
        made[name] = document if name == "record" else {"recid": plan.recid, **document}
        if name == "record":
            made["mapping"] = mapping(plan.recid, fields, origin)
    return made
