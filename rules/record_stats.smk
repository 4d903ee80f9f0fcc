# Needs: the last receipt that the configuration asks for.
# Makes: what became of the record: times, files, bytes, bundles, where it is now.


rule record_stats:
    """Tell what became of a record, from its receipts and its journal."""
    input:
        finished=branch(
            config["repository"]["finish"] == "publish",
            then=rules.publish_record.output.receipt,
            otherwise=rules.upload_record.output.receipt,
        ),
    output:
        stats="results/{recid}/stats.json",
    log:
        "logs/{recid}/record_stats.log",
    priority: wanted.priority_at(stage=6)
    conda:
        "../envs/workflow.yaml"
    params:
        publish=config["repository"]["finish"] == "publish",
    script:
        "../scripts/record_stats.py"
