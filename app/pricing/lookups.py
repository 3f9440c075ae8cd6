"""Bounds for price look-ups by names that callers choose freely."""

MAX_NAME = 200
"""Characters of the longest model or provider name that is looked up; the longest known one has 61."""

LOOKUPS = 4_096
"""Names whose result, including misses, is cached: several times what one deployment calls, a few MB at most."""
