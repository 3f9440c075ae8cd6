"""Limits: what may be asked for, what is held and what is used, exactly, in every process."""

from app.limits.limits import Limits, open_limits

__all__ = ["Limits", "open_limits"]
