# Needs: nothing; only where files lie on this disk already (source.data_root).
# Makes: a file whose name tells one state of the record's folder from another.


rule keep_folder:
    """Write down that the folder of a record is in this state, so that one that changes is looked at again."""
    output:
        state="results/{recid}/folder-{digest}.json",
    log:
        "logs/{recid}/keep_folder-{digest}.log",
    priority: selection.priority_at(stage=1)
    localrule: True
    conda:
        "../envs/workflow.yaml"
    script:
        "../scripts/keep_folder.py"
