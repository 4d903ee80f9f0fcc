# Needs: the metadata of every wanted record; no file of it.
# Makes: a table of what the repository would refuse and of what stands out. Has no output: it runs whenever it is asked.


rule validate:
    """Transform and check all wanted records before anything moves; fails unless all are valid."""
    log:
        "logs/validate.log",
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
        table="results/validation.csv",
    script:
        "../scripts/validate.py"
