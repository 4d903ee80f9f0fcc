"""Entry of the rule aggregate_metadata."""

from pathlib import Path

from ferry.report.metadata_tables import write_metadata_tables
from ferry.run.step import write_log

write_log(Path(snakemake.log[0]))
write_metadata_tables(recids=snakemake.params.recids, results_dir=Path(snakemake.output.coverage).parent)
