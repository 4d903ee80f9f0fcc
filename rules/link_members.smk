# Needs: every wanted record in the repository. Is run by itself where relations.target is true.
# Makes: collections that name their members as the repository does, and a table of what is lacking.


rule link_members:
    """Give collections what the repository calls their members, which are there only now."""
    input:
        records=expand(rules.transform_record.output.record, recid=selection.recids),
        finished=expand(rules.record_stats.input.finished, recid=selection.recids),
    output:
        table="results/relations.csv",
        # gone after a run that failed, whose table no rule has made
        done=touch("results/link_members.done"),
    log:
        "logs/link_members.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    resources:
        upload_slots=1,
    params:
        recids=selection.recids,
        repository=config["repository"],
        upload=config["upload"],
        publish=publishes(config),
        sandbox_dir=config["sandbox"]["dir"],
    script:
        "../scripts/link_members.py"
