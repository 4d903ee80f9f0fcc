# Needs: nothing but the configuration.
# Makes: the settings that records are mapped and packaged with, as files whose names tell one state from another.


rule keep_settings:
    """Write down the present settings, so that what was made with others is made anew."""
    output:
        settings="results/settings/{part}-{digest}.json",
    log:
        "logs/keep_settings/{part}-{digest}.log",
    # else no record could go on until all were read
    priority: selection.highest_priority
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        settings=settings_files.content,
    script:
        "../scripts/keep_settings.py"
