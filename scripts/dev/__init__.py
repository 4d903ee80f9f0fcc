"""What developers run: the schemas of the targets and the page of the configuration."""
