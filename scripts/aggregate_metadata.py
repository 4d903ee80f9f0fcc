"""Entry of the rule aggregate_metadata."""

from pathlib import Path

from ferry.report.metadata_tables import write_metadata_tables
from ferry.report.table_digests import note_tables
from ferry.run.step import write_log

log = Path(snakemake.log[0])
write_log(log)
results_dir = Path(snakemake.output.coverage).parent
write_metadata_tables(recids=snakemake.params.recids, results_dir=results_dir)
tables = ("coverage", "paths", "corrections")
note_tables(log.stem, (Path(snakemake.output[name]) for name in tables), results_dir=results_dir)
