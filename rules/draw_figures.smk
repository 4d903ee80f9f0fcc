# Needs: the tables of all records.
# Makes: the figures, each as SVG, PNG and the CSV that it was drawn from.


rule draw_figures:
    """Draw what a person should see of a run."""
    input:
        stats=rules.aggregate_stats.output.stats,
        attempts=rules.aggregate_stats.output.attempts,
        files=rules.aggregate_stats.output.files,
    output:
        report(
            "results/figures/records_by_outcome.svg",
            caption="../report/records_by_outcome.rst",
            category="Outcome",
            labels={"figure": "records by outcome"},
        ),
        report(
            "results/figures/bytes_by_outcome.svg",
            caption="../report/bytes_by_outcome.rst",
            category="Outcome",
            labels={"figure": "bytes by outcome"},
        ),
        report(
            "results/figures/records_over_time.svg",
            caption="../report/records_over_time.rst",
            category="Time",
            labels={"figure": "records over time"},
        ),
        report(
            "results/figures/throughput.svg",
            caption="../report/throughput.rst",
            category="Time",
            labels={"figure": "throughput"},
        ),
        report(
            "results/figures/bytes_against_plan.svg",
            caption="../report/bytes_against_plan.rst",
            category="Time",
            labels={"figure": "bytes against plan"},
        ),
        report(
            "results/figures/concurrency.svg",
            caption="../report/concurrency.rst",
            category="Time",
            labels={"figure": "jobs at once"},
        ),
        report(
            "results/figures/waits_and_retries.svg",
            caption="../report/waits_and_retries.rst",
            category="Time",
            labels={"figure": "rate limit and retries"},
        ),
        report(
            "results/figures/time_by_step.svg",
            caption="../report/time_by_step.rst",
            category="Time",
            labels={"figure": "time by step"},
        ),
        report(
            "results/figures/duration_by_size.svg",
            caption="../report/duration_by_size.rst",
            category="Time",
            labels={"figure": "duration by size"},
        ),
        report(
            "results/figures/files_and_sizes.svg",
            caption="../report/files_and_sizes.rst",
            category="Contents",
            labels={"figure": "files and sizes"},
        ),
        report(
            "results/figures/metadata_coverage.svg",
            caption="../report/metadata_coverage.rst",
            category="Contents",
            labels={"figure": "metadata coverage"},
        ),
        # not in the report: where any record failed, its first page has the reasons as a table
        failures="results/figures/failures.svg",
        others=expand(
            "results/figures/{name}.{form}",
            form=["png", "csv"],
            name=[
                "records_by_outcome",
                "bytes_by_outcome",
                "failures",
                "records_over_time",
                "throughput",
                "bytes_against_plan",
                "concurrency",
                "waits_and_retries",
                "time_by_step",
                "duration_by_size",
                "files_and_sizes",
                "metadata_coverage",
            ],
        ),
    log:
        "logs/draw_figures.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    script:
        "../scripts/draw_figures.py"
