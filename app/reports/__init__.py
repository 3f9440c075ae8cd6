"""The read path: one file a report, with its answers beside it."""
