# Needs: the last receipt that the configuration asks for.
# Makes: the chain of proof from what the source declares to what the repository has, and what became of the record:
#        times, files, bytes, bundles, where it is now.


rule record_stats:
    """Tell what became of a record, from its receipts and its journal."""
    input:
        finished=branch(
            publishes(config),
            then=rules.publish_record.output.receipt,
            otherwise=rules.upload_record.output.receipt,
        ),
    output:
        proof="results/{recid}/proof.json",
        stats="results/{recid}/stats.json",
    log:
        "logs/{recid}/record_stats.log",
    priority: selection.priority_at(stage=6)
    localrule: True
    conda:
        "../envs/workflow.yaml"
    resources:
        runtime=config["cluster"]["minutes"],
        mem_mb=cluster.memory,
    params:
        data_dir="data/{recid}",
        storage=config["storage"],
        publish=publishes(config),
    script:
        "../scripts/record_stats.py"
