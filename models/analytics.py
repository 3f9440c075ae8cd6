"""Product events. The one named `ai_generation` is the twin of a ledger entry; others have none."""

from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from models.base import StoredDecimal, StoredDocument

AI_GENERATION = "ai_generation"
"""The only event that has a twin in `aiusages`."""


class Analytics(StoredDocument):
    """A simple event.

    The `properties` of an `ai_generation` are contentType, model, provider, cached, feature, cost and success.
    """

    user_id: str
    client_id: str
    clerk_user_id: str | None = None
    event: str
    experiment: str | None = None
    variant: str | None = None
    value: StoredDecimal | None = None
    """What it was worth, in USD."""
    properties: dict[str, Any] = Field(default_factory=dict)
    synthetic: bool = False
    created_at: datetime

    class Settings:
        """Stored names and the indexes that the main dashboard needs."""

        name = "analytics"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([("event", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)], name="event_newest"),
            # who was seen in an experiment without a call: few events say so
            IndexModel(
                [("experiment", ASCENDING), ("createdAt", ASCENDING)],
                name="experiment_seen",
                partialFilterExpression={"experiment": {"$exists": True}},
            ),
        ]
        retired_indexes: ClassVar[list[str]] = ["event_time", "client_newest"]
