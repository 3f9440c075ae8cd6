"""Sums that are kept beside the ledger: what calls add, how it is merged into cells, and how cells are recounted."""
