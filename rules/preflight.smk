# Needs: the repository, reached and asked what it is when the run begins.
# Makes: a line for each thing that a run will need of it. Has no output: it runs whenever it is asked.


rule preflight:
    """Look at the repository and this machine before anything moves; fails if a run could not go through."""
    log:
        "logs/preflight.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        repository=config["repository"],
        upload=config["upload"],
        transform=config["transform"],
        package=config["package"],
        origin=config["metadata"]["origin"],
        sandbox_dir=config["sandbox"]["dir"],
    script:
        "../scripts/preflight.py"
