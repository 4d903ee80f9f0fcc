# Needs: a draft that is proven complete. Runs only where repository.finish is publish.
# Makes: the public record, its files compared once more.


rule publish_record:
    """Publish a draft that holds exactly what was uploaded."""
    input:
        upload=rules.upload_record.output.receipt,
    output:
        receipt="results/{recid}/published.json",
    log:
        "logs/{recid}/publish_record.log",
    priority: wanted.priority_at(stage=5)
    conda:
        "../envs/workflow.yaml"
    resources:
        upload_slots=1,
    params:
        repository=config["repository"],
        upload=config["upload"],
        sandbox_dir=config["sandbox"]["dir"],
    script:
        "../scripts/publish_record.py"
