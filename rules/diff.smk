# Needs: the metadata of every wanted record, and the repository.
# Makes: what an upload would change there, field by field. Has no output: it runs whenever it is asked.


rule diff:
    """Hold the wanted records against what the repository has of them; nothing is written there."""
    log:
        "logs/diff.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        recids=selection.recids,
        metadata=config["metadata"],
        source=config["source"],
        catalogue=config["catalogue"]["list"],
        transform=config["transform"],
        package=config["package"],
        repository=config["repository"],
        upload=config["upload"],
        sandbox_dir=config["sandbox"]["dir"],
        table="results/diff.csv",
    script:
        "../scripts/diff.py"
