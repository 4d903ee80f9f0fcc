# Needs: the downloaded files, the record as the portal gave it, and how to package them.
# Makes: what goes up, loose files or bundles, member by member; bundles under data/<recid>/bundles,
#        the record's own metadata under data/<recid>/attachments.


rule package_files:
    """Bundle the files of a record that has too many to go up one by one."""
    input:
        source=rules.read_record.output.receipt,
        download=rules.download_files.output.receipt,
        settings=settings_files.path("package"),
    output:
        receipt="results/{recid}/package.json",
    log:
        "logs/{recid}/package_files.log",
    benchmark:
        "benchmarks/{recid}/package_files.tsv"
    priority: selection.priority_at(stage=3)
    conda:
        "../envs/workflow.yaml"
    threads: config["package"]["threads"]
    resources:
        zip_slots=1,
        runtime=cluster.walltime_minutes,
        mem_mb=cluster.memory,
    params:
        data_dir="data/{recid}",
        source=config["source"],
        portal=config["metadata"]["portal"],
        download=config["download"],
        package=config["package"],
        storage=config["storage"],
        repository=config["repository"],
        sandbox_dir=config["sandbox"]["dir"],
    script:
        "../scripts/package_files.py"
