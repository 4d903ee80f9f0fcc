# Needs: the record as the portal gave it, how to map it, and corrections to it if there are any.
# Makes: the record for the repository, valid by its schema, and where each field of the source went.


rule transform_record:
    """Map a record's metadata to the target schema; what the repository would refuse is refused here."""
    input:
        source=rules.read_record.output.receipt,
        settings=settings_files.path("transform"),
        corrections=record_inputs.corrections,
    output:
        record="results/{recid}/record.json",
        mapping="results/{recid}/mapping.json",
    log:
        "logs/{recid}/transform_record.log",
    priority: selection.priority_at(stage=2)
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        transform=config["transform"],
        package=config["package"],
        metadata=config["metadata"],
        folders=config["source"]["allow"]["folders"],
        catalogue=config["catalogue"]["list"],
    script:
        "../scripts/transform_record.py"
