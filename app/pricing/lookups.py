"""The bounds of looking a price up by names that anybody may have made up."""

MAX_NAME = 200
"""Characters of the longest model or provider name that is looked up; the longest known one has 61."""

LOOKUPS = 4_096
"""Names whose answer, a miss too, is remembered: several times what one deployment calls, a few MB at most."""
