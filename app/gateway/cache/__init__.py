"""Answers that are given again: opt-in, of one tenant, complete ones alone."""
