"""Figures that several reports share."""
