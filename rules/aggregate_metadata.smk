# Needs: where each field of every wanted record went.
# Makes: how much of the metadata is mapped, by experiment and by path, and what was corrected.


rule aggregate_metadata:
    """Count what became of every value of every record's metadata."""
    input:
        mappings=expand(rules.transform_record.output.mapping, recid=selection.recids),
    output:
        coverage=report(
            "results/coverage.csv",
            caption="../report/coverage.rst",
            category="Metadata",
            labels={"table": "coverage by experiment"},
        ),
        paths=report(
            "results/coverage_paths.csv",
            caption="../report/coverage_paths.rst",
            category="Metadata",
            labels={"table": "coverage by path"},
        ),
        corrections=report(
            "results/corrections.csv",
            caption="../report/corrections.rst",
            category="Metadata",
            labels={"table": "corrections"},
        ),
        # gone after a run that failed, whose tables no rule has made
        done=touch("results/aggregate_metadata.done"),
    log:
        "logs/aggregate_metadata.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        recids=selection.recids,
    script:
        "../scripts/aggregate_metadata.py"
