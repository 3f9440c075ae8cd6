"""twinmeter: AI usage and cost monitoring on MongoDB."""

__version__ = "0.6.0.dev0"
"""The only place that says it: the package, the API's description and the database take it from here."""
