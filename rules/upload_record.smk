# Needs: the record's target metadata and what goes up with it.
# Makes: one draft per recid that holds exactly these files, each md5 as read back from the repository.


rule upload_record:
    """Bring a record into the repository as a draft and read back that every byte is there."""
    input:
        record=rules.transform_record.output.record,
        package=rules.package_files.output.receipt,
    output:
        receipt="results/{recid}/upload.json",
    log:
        "logs/{recid}/upload_record.log",
    benchmark:
        "benchmarks/{recid}/upload_record.tsv"
    priority: selection.priority_at(stage=4)
    conda:
        "../envs/workflow.yaml"
    resources:
        upload_slots=upload_weight(
            bytes_per_slot=config["upload"]["bytes_per_slot"],
            max_slots=config["upload"]["max_slots"],
        ),
        runtime=cluster.walltime_minutes,
        mem_mb=cluster.memory,
    params:
        data_dir="data/{recid}",
        repository=config["repository"],
        upload=config["upload"],
        source=config["source"],
        portal=config["metadata"]["portal"],
        download=config["download"],
        package=config["package"],
        storage=config["storage"],
        sandbox_dir=config["sandbox"]["dir"],
    script:
        "../scripts/upload_record.py"
