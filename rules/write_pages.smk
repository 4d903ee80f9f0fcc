# Needs: the tables of all records.
# Makes: the first page of the report, its searchable tables, and the list of failures.


rule write_pages:
    """Write down for people what became of the records, and how to go on."""
    input:
        stats=rules.aggregate_stats.output.stats,
        attempts=rules.aggregate_stats.output.attempts,
        files=rules.aggregate_stats.output.files,
        manifest=rules.aggregate_stats.output.manifest,
        flow=rules.draw_figures.output[0],
    output:
        # what is read at any time stays until the new one takes its place
        overview=update("results/overview.html"),
        failures_csv=update("results/failures.csv"),
        failures=report(
            "results/tables/failures.html",
            caption="../report/failed_records.rst",
            category="Failures",
            labels={"table": "failures"},
        ),
        records=report(
            "results/tables/records.html",
            caption="../report/records.rst",
            category="Records",
            labels={"table": "records"},
        ),
        files=report(
            "results/tables/files.html",
            caption="../report/files.rst",
            category="Files",
            labels={"table": "files not proven"},
        ),
        plan=report(
            "results/tables/plan.html",
            caption="../report/plan.rst",
            category="Records",
            labels={"table": "plan"},
        ),
        audit=report(
            "results/tables/audit.html",
            caption="../report/audit.rst",
            category="Records",
            labels={"table": "audit"},
        ),
    log:
        "logs/write_pages.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        publish=publishes(config),
    script:
        "../scripts/write_pages.py"
