# Needs: the portal, and what it has said before (metadata/cache, receipts).
# Makes: metadata/cache anew where the portal says otherwise now. Has no output: it runs whenever it is asked.


rule refresh:
    """Ask the portal again for all wanted records; what has changed there is read by the next run."""
    log:
        "logs/refresh.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        recids=selection.recids,
        metadata=config["metadata"],
        folders=config["source"]["allow"]["folders"],
    script:
        "../scripts/refresh.py"
