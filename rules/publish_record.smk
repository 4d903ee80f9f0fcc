# Needs: a draft that is proven complete, and its target metadata. Runs only where repository.finish is publish or review.
# Makes: the public record, its metadata and files compared once more; or a request that waits for its reviewers. What is known of
#        that lies in results/<recid>/review.json, an input once it is there: record_stats writes it anew while the
#        decision is open, so that the next run asks again.


rule publish_record:
    """Publish a draft that holds exactly what was uploaded."""
    input:
        upload=rules.upload_record.output.receipt,
        record=rules.transform_record.output.record,
        review=record_inputs.review,
    output:
        receipt="results/{recid}/published.json",
    log:
        "logs/{recid}/publish_record.log",
    priority: selection.priority_at(stage=5)
    conda:
        "../envs/workflow.yaml"
    resources:
        upload_slots=1,
        runtime=cluster.walltime_minutes,
        mem_mb=cluster.memory,
    params:
        data_dir="data/{recid}",
        repository=config["repository"],
        upload=config["upload"],
        sandbox_dir=config["sandbox"]["dir"],
    script:
        "../scripts/publish_record.py"
