"""Entry of the rule keep_folder."""

from pathlib import Path

from ferry.run.folder_states import keep_folder_state
from ferry.run.step import write_log

write_log(Path(snakemake.log[0]))
keep_folder_state(Path(snakemake.output.state), recid=int(snakemake.wildcards.recid))
