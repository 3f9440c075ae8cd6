"""Notifying open pages that figures have changed."""

from app.live.hub import Hub, open_hub
from app.live.response import MEDIA_TYPE, EventStream

__all__ = ["MEDIA_TYPE", "EventStream", "Hub", "open_hub"]
