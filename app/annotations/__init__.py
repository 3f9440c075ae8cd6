"""What people keep of the pages: notes on the time line, and views to come back to."""

from app.annotations.notes import Notes
from app.annotations.views import SavedViews

__all__ = ["Notes", "SavedViews"]
