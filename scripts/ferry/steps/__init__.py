"""Receipts in, receipts out: one module per rule."""
