# Needs: the metadata of every wanted record, and the repository.
# Makes: what an upload would change in the metadata there, field by field; files are compared by the upload itself. Has no output: it runs whenever it is asked.


rule diff:
    """Hold the metadata of the wanted records against the repository's; nothing is written there."""
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
