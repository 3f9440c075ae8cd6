"""Ledger, events and rollups are compared, and what differs is repaired."""
