"""A real NRP repository (OARepo) on loopback, installed and started for the tests."""
