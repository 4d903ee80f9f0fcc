"""What developers run: the schemas of the targets and the pages of the configuration and the mapping."""
