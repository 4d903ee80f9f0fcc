# Needs: the portal's search.
# Makes: the master list of an experiment, at catalogue.list. Has no output: it runs whenever it is asked.


rule catalogue:
    """List all records of an experiment as a master list, the most wanted kinds first."""
    log:
        "logs/catalogue.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        metadata_dir=config["metadata"]["dir"],
        portal=config["metadata"]["portal"],
        catalogue=config["catalogue"],
    script:
        "../scripts/catalogue.py"
