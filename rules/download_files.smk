# Needs: the record's file list, and the state of its folder where its files lie on this disk.
# Makes: every file under data/<recid>/files, its size and checksum proven against the record.


rule download_files:
    """Fetch a record's files over XRootD, or check those that lie on disk already."""
    input:
        source=rules.read_record.output.receipt,
        folder=folder_states.path,
    output:
        receipt="results/{recid}/download.json",
    log:
        "logs/{recid}/download_files.log",
    benchmark:
        "benchmarks/{recid}/download_files.tsv"
    priority: selection.priority_at(stage=2)
    conda:
        "../envs/workflow.yaml"
    resources:
        download_slots=1,
        runtime=cluster.walltime_minutes,
        mem_mb=cluster.memory,
    params:
        data_dir="data/{recid}",
        source=config["source"],
        portal=config["metadata"]["portal"],
        download=config["download"],
        package=config["package"],
        storage=config["storage"],
        repository=config["repository"]["url"],
        sandbox_dir=config["sandbox"]["dir"],
    script:
        "../scripts/download_files.py"
