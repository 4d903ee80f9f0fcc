"""What a repository answers, in good cases and in bad: the same tests for the sandbox and for a real InvenioRDM."""
