"""Entry of the rule record_stats."""

from pathlib import Path

from ferry.deposit.review_state import ask_again
from ferry.receipts import write_receipt
from ferry.report.stats import record_stats
from ferry.report.stats_log import tell_row
from ferry.run.step import record_step
from ferry.steps.drop import drop

recid = int(snakemake.wildcards.recid)
output, log = Path(snakemake.output.stats), Path(snakemake.log[0])
with record_step(name=snakemake.rule, recid=recid, log_path=log) as measured:
    # first: stats that are there tell that this was done
    measured["bytes_freed"] = drop(
        recid=recid,
        record_dir=output.parent,
        data_dir=Path(snakemake.params.data_dir),
        remove=snakemake.params.storage["remove"],
    )
    stats = record_stats(
        recid=recid,
        record_dir=output.parent,
        journal=log.parent / "journal.jsonl",
        publish=snakemake.params.publish,
    )
    if stats["state"] == "in_review":
        ask_again(output.parent)
    write_receipt(output, "stats", stats)
    tell_row(stats)
