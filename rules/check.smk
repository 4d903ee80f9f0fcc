# Needs: what runs have left, of each wanted record.
# Makes: a table of receipts and files that do not fit, and the command that mends them all. Has no output: it runs whenever it is
#        asked, moves nothing and asks nobody.


rule check:
    """Read all receipts, proofs and bytes at hand and hold them against each other; fails if something does not fit."""
    log:
        "logs/check.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    threads: 4
    params:
        recids=selection.recids,
        publish=publishes(config),
        settings=settings_files.names,
        bytes_at_hand=config["check"]["bytes"],
        data_root=config["source"]["data_root"],
        table="results/check.csv",
    script:
        "../scripts/check.py"
