# Needs: the repository, and nothing else that a run has made; what there is of proofs and receipts is taken into account.
# Makes: the files of records as they were, below restored/<recid>, and beside it restored/<recid>.json: what proves each.


rule restore:
    """Bring the wanted records back; runs whenever it is asked, and fetches what is not there or not right."""
    log:
        "logs/restore.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    threads: 8  # no more than --cores, which a run on a cluster need not name
    params:
        recids=selection.recids,
        restore=config["restore"],
        metadata=config["metadata"],
        hosts=config["source"]["allow"]["hosts"],
        repository=config["repository"],
        upload=config["upload"],
        sandbox_dir=config["sandbox"]["dir"],
        table="results/restore.csv",
    script:
        "../scripts/restore.py"


rule restore_record:
    """Bring one record back, to be asked for by its receipt; with that there it counts as done."""
    output:
        receipt="restored/{recid}.json",
    log:
        "logs/{recid}/restore_record.log",
    conda:
        "../envs/workflow.yaml"
    params:
        restore=rules.restore.params.restore,
        metadata=rules.restore.params.metadata,
        hosts=rules.restore.params.hosts,
        repository=rules.restore.params.repository,
        upload=rules.restore.params.upload,
        sandbox_dir=rules.restore.params.sandbox_dir,
    script:
        "../scripts/restore_record.py"
