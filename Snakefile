"""opendata-ferry: from the CERN Open Data portal into an NRP / Invenio repository, record by record, each byte proven.

Each step of a record leaves a receipt, results/<recid>/<step>.json, and only a receipt says that the step is done.
"""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.17")  # priorities by a function
HERE = Path(
    str(workflow.current_basedir)
)  # workflow.basedir is that of who imports this as a module
sys.path.insert(0, str(HERE / "scripts"))

import run_hooks
from ferry.config import publishes
from ferry.run.folder_states import FolderStates
from ferry.run.job_functions import JobResources, RecordInputs, upload_weight
from ferry.run.settings_files import SettingsFiles


configfile: HERE / "config.yaml"


report: "report/workflow.rst"


is_silent = any(kind.name == "ALL" for kind in workflow.output_settings.quiet or ())
with run_hooks.errors_told(is_silent=is_silent):
    selection = run_hooks.prepare(config, files=workflow.configfiles)
    record_inputs = RecordInputs(metadata_dir=Path(config["metadata"]["dir"]))
settings_files = SettingsFiles(config)
folder_states = FolderStates(config["source"]["data_root"])
cluster = JobResources(**config["cluster"])


wildcard_constraints:
    recid="[1-9][0-9]*",
    part="transform|package|source",
    digest="[0-9a-f]{12}",


include: "rules/catalogue.smk"
include: "rules/keep_settings.smk"
include: "rules/keep_folder.smk"
include: "rules/refresh.smk"
include: "rules/read_record.smk"
include: "rules/download_files.smk"
include: "rules/transform_record.smk"
include: "rules/validate.smk"
include: "rules/plan.smk"
include: "rules/preflight.smk"
include: "rules/diff.smk"
include: "rules/check.smk"
include: "rules/mend.smk"
include: "rules/audit.smk"
include: "rules/restore.smk"
include: "rules/aggregate_metadata.smk"
include: "rules/package_files.smk"
include: "rules/upload_record.smk"
include: "rules/publish_record.smk"
include: "rules/record_stats.smk"
include: "rules/link_members.smk"
include: "rules/aggregate_stats.smk"
include: "rules/draw_figures.smk"
include: "rules/write_pages.smk"


rule all:
    default_target: True
    input:
        # the last receipts themselves: without one of them a record has not arrived, whatever the tables say
        expand(rules.record_stats.input.finished, recid=selection.recids),
        expand(rules.record_stats.output.stats, recid=selection.recids),
        branch(
            bool(config["relations"]["target"] and selection.recids),
            then=[*rules.link_members.output],
            otherwise=[],
        ),
        branch(
            bool(selection.recids),
            then=[
                *rules.aggregate_stats.output,
                *rules.aggregate_metadata.output,
                *rules.draw_figures.output,
                *rules.write_pages.output,
            ],
            # an empty list: the tables stay as they are, and by a file that is there nothing is to be done
            otherwise=str(HERE / "config.yaml"),
        ),


onstart:
    with run_hooks.errors_told(is_silent=is_silent):
        run_hooks.begin(
            config,
            selection,
            jobs={
                (Path(str(job.rule.script)).stem, job.wildcards_dict.get("recid"))
                for job in workflow.dag.needrun_jobs()
            },
            resources=workflow.global_resources,
            across_nodes=workflow.non_local_exec,
            begin_no_more=workflow.scheduler.exit_gracefully,
        )


onsuccess:
    run_hooks.end(config, selection, failed=False)


onerror:
    run_hooks.end(config, selection, failed=True)
