"""What pytest has collected before -m and -k choose from it."""

import pytest

NODE_IDS = pytest.StashKey[frozenset[str]]()
"""In the stash of pytest's configuration: the ids of all tests below what it was told to collect."""
