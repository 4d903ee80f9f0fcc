"""Entry of the rule read_record."""

from pathlib import Path

from ferry.limits import Limits
from ferry.run.step import record_step
from ferry.source.portal_cache import PortalCache
from ferry.steps.read_record import read_to_receipt

recid = int(snakemake.wildcards.recid)
metadata = next(iter(snakemake.input.metadata), None)
with record_step(name="read_record", recid=recid, log_path=Path(snakemake.log[0])) as measured:
    measured.update(
        read_to_receipt(
            recid=recid,
            metadata_path=Path(metadata) if metadata else None,
            cache=PortalCache.of(Path(snakemake.params.metadata_dir), snakemake.params.source["allow"]["folders"]),
            portal=snakemake.params.portal,
            source=snakemake.params.source,
            origin=snakemake.params.origin,
            stall_s=snakemake.params.stall_s,
            attempts=snakemake.params.attempts,
            limits=Limits(**snakemake.params.limits),
            sandbox_dir=Path(snakemake.params.sandbox_dir),
            receipt_path=Path(snakemake.output.receipt),
        )
    )
