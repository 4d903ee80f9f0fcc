"""A small repository on loopback that answers as InvenioRDM does: for the demo and for tests, not for data."""
