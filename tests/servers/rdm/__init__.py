"""A real InvenioRDM on loopback, installed and started for the tests."""
