"""Upstreams: who is asked for which model, in what order, and how they fare."""
