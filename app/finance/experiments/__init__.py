"""Experiments: whether the users of one variant cost less, or do more of what counts, than those of another."""
