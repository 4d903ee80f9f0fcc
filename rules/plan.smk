# Needs: the metadata of every wanted record; no file of it.
# Makes: what a run will take, and the records that cannot succeed. Has no output: it runs whenever it is asked.


rule plan:
    """Tell records, bytes, requests, hours and disk of a run before anything moves."""
    log:
        "logs/plan.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    threads: 8  # no more than --cores, which a run on a cluster need not name
    params:
        priorities=selection.priorities,
        config=config,
        table="results/plan.csv",
    script:
        "../scripts/plan.py"
