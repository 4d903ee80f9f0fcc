"""The other side of the benchmark `scale`: all records by one asyncio process, with the functions that the rules call.

Run as `python asyncio_chain.py CONFIG.json` in a working folder. It does what the jobs of a record do, under the caps
of the profile, and nothing of what Snakemake adds: no rules, no processes, no journal, no log, no tables.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import run_hooks
from ferry.bundle.plan import PackageSettings
from ferry.run.selection import selection_of
from ferry.steps.download_files import download_to_receipt
from ferry.steps.package_files import package
from ferry.steps.read_record import read_to_receipt
from ferry.steps.transform_record import mapping_options, transform_to_receipts
from ferry.steps.upload_record import upload

CAPS = {"download": 4, "zip": 2, "upload": 40}
THREADS = 16


async def carry(config: Mapping[str, Any], recids: list[int]) -> None:
    """Carry all records; the first that fails ends it."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    caps = {name: asyncio.Semaphore(most) for name, most in CAPS.items()}

    async def capped(name: str, function: Callable[..., object], **arguments: Any) -> None:
        async with caps[name]:
            await asyncio.to_thread(function, **arguments)

    async def carry_one(recid: int) -> None:
        results, data_dir = Path("results") / str(recid), Path("data") / str(recid)
        sandbox_dir = Path(config["sandbox"]["dir"])
        receipt = {name: results / f"{name}.json" for name in ("source", "download", "record", "mapping", "package")}
        results.mkdir(parents=True)
        await asyncio.to_thread(
            read_to_receipt,
            recid=recid,
            metadata_path=Path(config["metadata"]["dir"]) / f"{recid}.json",
            portal=config["metadata"]["portal"],
            source=config["source"],
            stall_s=config["download"]["stall_s"],
            sandbox_dir=sandbox_dir,
            receipt_path=receipt["source"],
        )
        await asyncio.gather(
            capped(
                "download",
                download_to_receipt,
                recid=recid,
                source_path=receipt["source"],
                receipt_path=receipt["download"],
                data_dir=data_dir,
                sandbox_dir=sandbox_dir,
                repository=config["repository"]["url"],
                portal=config["metadata"]["portal"],
                **{name: config[name] for name in ("source", "download", "package", "storage")},
            ),
            asyncio.to_thread(
                transform_to_receipts,
                recid=recid,
                source_path=receipt["source"],
                corrections_path=None,
                profile=config["transform"]["profile"],
                options=mapping_options(
                    transform=config["transform"], package=config["package"], metadata=config["metadata"]
                ),
                record_path=receipt["record"],
                mapping_path=receipt["mapping"],
            ),
        )
        await capped(
            "zip",
            package,
            recid=recid,
            source_path=receipt["source"],
            download_path=receipt["download"],
            receipt_path=receipt["package"],
            data_dir=data_dir,
            settings=PackageSettings.of(config["package"]),
            threads=config["package"]["threads"],
        )
        await capped(
            "upload",
            upload,
            recid=recid,
            record_path=receipt["record"],
            package_path=receipt["package"],
            receipt_path=results / "upload.json",
            data_dir=data_dir,
            journal=Path("logs") / str(recid) / "journal.jsonl",
            repository=config["repository"],
            settings=config["upload"],
            empty_records=config["package"]["empty_records"],
            sandbox_dir=sandbox_dir,
        )

    async with asyncio.TaskGroup() as tasks:
        for recid in recids:
            tasks.create_task(carry_one(recid))


def main() -> None:
    """Begin a run as Snakemake's start does, carry the records, end it."""
    config = json.loads(Path(sys.argv[1]).read_bytes())
    wanted = selection_of(config)
    # a run that only looks has a repository, and neither jobs nor tables
    run_hooks.begin(
        config, wanted, jobs={("preflight", None)}, resources={}, across_nodes=False, begin_no_more=lambda: None
    )
    try:
        asyncio.run(carry(config, wanted.recids))
    finally:
        run_hooks.end(config, wanted, failed=False)


if __name__ == "__main__":
    main()
