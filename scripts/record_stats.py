"""Entry of the rule record_stats."""

from pathlib import Path

from ferry.run.step import record_step
from ferry.steps.record_stats import finish_record

recid = int(snakemake.wildcards.recid)
output, log = Path(snakemake.output.stats), Path(snakemake.log[0])
with record_step(name="record_stats", recid=recid, log_path=log) as measured:
    measured.update(
        finish_record(
            recid=recid,
            record_dir=output.parent,
            data_dir=Path(snakemake.params.data_dir),
            journal=log.parent / "journal.jsonl",
            publish=snakemake.params.publish,
            remove=snakemake.params.storage["remove"],
            path=output,
        )
    )
