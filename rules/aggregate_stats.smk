# Needs: the stats and the proof of every wanted record.
# Makes: one row per record, per file and per attempt, and one manifest of all proofs.


rule aggregate_stats:
    """Gather what became of all records into tables per record, per file and per attempt."""
    input:
        proofs=expand(rules.record_stats.output.proof, recid=selection.recids),
        stats=expand(rules.record_stats.output.stats, recid=selection.recids),
    output:
        stats="results/stats.parquet",
        # what is read at any time stays until the new one takes its place
        csv=update("results/stats.csv"),
        jsonl=update("results/stats.jsonl"),
        files="results/files.parquet",
        attempts="results/attempts.parquet",
        manifest=update("results/manifest-sha256.txt"),
        # gone after a run that failed, whose tables no rule has made
        done=touch("results/aggregate_stats.done"),
    log:
        "logs/aggregate_stats.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        recids=selection.recids,
        publish=publishes(config),
    script:
        "../scripts/aggregate_stats.py"
