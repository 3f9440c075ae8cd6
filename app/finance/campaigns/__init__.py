"""Campaigns: what calls that name one cost, and how much of its budget is used."""
