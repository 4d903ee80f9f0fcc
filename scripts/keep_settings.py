"""Entry of the rule keep_settings."""

from pathlib import Path

from ferry.run.settings_files import keep_settings
from ferry.run.step import write_log

write_log(Path(snakemake.log[0]))
keep_settings(Path(snakemake.output.settings), snakemake.params.settings)
