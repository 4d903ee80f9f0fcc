# Needs: metadata/<recid>.json if there is one, else what the portal has said before, else the portal.
# Makes: the record as the portal gave it, and the list of its files in one form.


rule read_record:
    """Read a record and normalise its file list: keys one-to-one, checksums in one form, index files expanded."""
    input:
        metadata=record_inputs.metadata,
        settings=settings_files.of_filter(),
    output:
        receipt="results/{recid}/source.json",
    log:
        "logs/{recid}/read_record.log",
    priority: selection.priority_at(stage=1)
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        metadata_dir=config["metadata"]["dir"],
        portal=config["metadata"]["portal"],
        limits=config["metadata"]["limits"],
        source=config["source"],
        origin=config["metadata"]["origin"],
        stall_s=config["download"]["stall_s"],
        attempts=config["download"]["attempts"],
        sandbox_dir=config["sandbox"]["dir"],
    script:
        "../scripts/read_record.py"
