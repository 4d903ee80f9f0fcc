"""InvenioRDM in our terms."""
