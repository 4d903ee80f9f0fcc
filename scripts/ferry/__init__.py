"""Carries records from the CERN Open Data portal into an Invenio repository; knows nothing of Snakemake."""
