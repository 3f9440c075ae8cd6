"""Reprices stored calls."""
