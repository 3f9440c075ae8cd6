"""Compares ledger, events and rollups, and repairs differences."""
