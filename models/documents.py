"""A document as MongoDB stores it."""

from typing import Any

Document = dict[str, Any]
