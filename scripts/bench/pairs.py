"""The documents that the tracker would write, made without writing them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from app.database import Database
from app.ledger.features import Features
from app.ledger.privacy import Privacy
from app.ledger.recording import Recorder
from app.ledger.twins import Pair
from app.pricing.costs import Pricing
from app.pricing.price_book import PriceBook
from app.tracking import AICall


def built_pairs(database: Database, reported: Iterable[dict[str, Any]]) -> list[Pair]:
    """A pair for the fields of each call, whose documents are there: those of most calls are else made when stored."""
    now = datetime.now(UTC)
    recorder = Recorder(Features(), Pricing.of(PriceBook(database)), Privacy())
    recorded = (recorder.record(AICall(**fields), now).pair for fields in reported)
    return [Pair(pair.id, pair.entry, pair.event, pair.stamped) for pair in recorded]
