# Needs: the tables of all records.
# Makes: the figures, each as SVG, PNG and the CSV that it was drawn from.


rule draw_figures:
    """Draw what a person should see of a run."""
    input:
        stats=rules.aggregate_stats.output.stats,
        attempts=rules.aggregate_stats.output.attempts,
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
            "results/figures/failures.svg",
            caption="../report/failures.rst",
            category="Outcome",
            labels={"figure": "failures"},
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
            "results/figures/concurrency.svg",
            caption="../report/concurrency.rst",
            category="Time",
            labels={"figure": "jobs at once"},
        ),
        csv=expand(
            "results/figures/{name}.csv",
            name=[
                "records_by_outcome",
                "bytes_by_outcome",
                "failures",
                "time_by_step",
                "duration_by_size",
                "concurrency",
            ],
        ),
    log:
        "logs/draw_figures.log",
    conda:
        "../envs/workflow.yaml"
    script:
        "../scripts/draw_figures.py"
