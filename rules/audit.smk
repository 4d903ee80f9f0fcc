# Needs: the proofs of the wanted records, and the repository.
# Makes: what of them is lost, dark or changed there. Has no output: it runs whenever it is asked, and goes on where one
#        was broken off.


rule audit:
    """Ask the repository for every record that is through, and hold what it has against the proofs; it writes nothing there."""
    log:
        "logs/audit.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        recids=selection.recids,
        metadata=config["metadata"],
        audit=config["audit"],
        hosts=config["source"]["allow"]["hosts"],
        publish=publishes(config),
        repository=config["repository"],
        upload=config["upload"],
        sandbox_dir=config["sandbox"]["dir"],
        table="results/audit.csv",
    script:
        "../scripts/audit.py"
