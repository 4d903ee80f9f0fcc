# Needs: the stats of every wanted record.
# Makes: the tables, the figures drawn from them, and the summary that the report opens with.


rule aggregate_stats:
    """Gather what became of all records into one table per record, per file and per attempt."""
    input:
        stats=expand(rules.record_stats.output.stats, recid=wanted.recids),
    output:
        stats="results/stats.parquet",
        csv="results/stats.csv",
        jsonl="results/stats.jsonl",
        files="results/files.parquet",
        attempts="results/attempts.parquet",
    log:
        "logs/aggregate_stats.log",
    conda:
        "../envs/workflow.yaml"
    params:
        recids=wanted.recids,
        publish=config["repository"]["finish"] == "publish",
    script:
        "../scripts/aggregate_stats.py"
