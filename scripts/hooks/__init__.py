"""What runs inside Snakemake."""
