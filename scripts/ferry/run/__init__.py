"""One run on one folder."""
