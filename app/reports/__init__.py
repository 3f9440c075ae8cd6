"""The read path: one file per report, with its response classes."""
