"""Entry of the rule record_stats."""

from pathlib import Path

from ferry.receipts import write_receipt
from ferry.stats import record_stats
from ferry.step import record_step

recid = int(snakemake.wildcards.recid)
output, log = Path(snakemake.output.stats), Path(snakemake.log[0])
with record_step(name=snakemake.rule, recid=recid, log_path=log):
    stats = record_stats(
        recid=recid,
        record_dir=output.parent,
        journal=log.parent / "journal.jsonl",
        publish=snakemake.params.publish,
    )
    write_receipt(output, "stats", stats)
