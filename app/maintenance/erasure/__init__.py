"""Pseudonymizes a user, and keeps every figure."""
