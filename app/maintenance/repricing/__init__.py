"""Stored calls are priced anew."""
