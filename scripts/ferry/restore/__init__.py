"""Files back from a repository: found, fetched or unpacked, each byte proven, below one folder and nowhere else."""
