"""Faults 19-35 of a deposit, made by a proxy in front of the sandbox and of a real InvenioRDM, and what must hold."""
