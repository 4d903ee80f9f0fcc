# Needs: what runs have left, of each wanted record.
# Makes: room for receipts that fit: those that do not, and what was made of them, are taken away. Drafts of which the
#        repository has refused to make one (500) are asked for again. Has no output: it runs whenever it is asked, and
#        asks nobody.


rule mend:
    """Take away what `check` names; the next plain run makes it anew, and looks what became of unanswered requests."""
    log:
        "logs/mend.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    threads: 4
    params:
        recids=selection.recids,
        publish=publishes(config),
        settings=settings_files.names,
        bytes_at_hand=config["check"]["bytes"],
    script:
        "../scripts/mend.py"
