"""The tracker: from what a caller reports to a receipt. It never raises into its caller."""

from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import ValidationError

from app.telemetry import Counters
from app.tracking.call import AICall, Fault, faults_of
from app.tracking.features import Features
from app.tracking.ledger import Outcome
from app.tracking.price_book import PriceBook
from app.tracking.pricing import Cost, Pricing
from app.tracking.receipt import ReceiptStatus, TrackReceipt
from app.tracking.twins import IdMint, Pair, build_pair, service_type_of
from app.tracking.writer import Writer


class Tracker:
    """Validates, maps, prices and writes calls. One per process."""

    def __init__(
        self, *, writer: Writer, features: Features, pricing: Pricing, price_book: PriceBook, counters: Counters
    ) -> None:
        self.writer = writer
        self.price_book = price_book
        self.features = features
        self.counters = counters
        self._pricing = pricing
        self._mint = IdMint()
        # bound once: an event at a level that is off then costs a fraction of a microsecond
        self._log = structlog.get_logger(__name__).bind()

    async def track(self, **reported: Any) -> TrackReceipt:
        """Report one call by the fields of `AICall`. What cannot be stored comes back `rejected`, with its faults."""
        try:
            call = AICall.model_validate(reported)
        except ValidationError as error:
            return self._rejected(faults_of(error))
        except Exception as error:  # noqa: BLE001 - as below
            return self._failed(error)
        del reported
        return await self.track_call(call)

    async def track_call(self, call: AICall) -> TrackReceipt:
        """Report one validated call."""
        try:
            pair, cost = self._pair(call)
            del call  # under load many calls wait at once: what a waiting one no longer needs is let go
            return self._receipt(pair, cost, await self.writer.write(pair))
        except Exception as error:  # noqa: BLE001 - the promise: tracking never raises into an AI endpoint
            return self._failed(error)

    def _pair(self, call: AICall) -> tuple[Pair, Cost]:
        now = datetime.now(UTC)
        feature = self.features.of(call.content_type)
        priced = self._pricing.price(call, service_type_of(call, feature), call.created_at or now)
        return build_pair(call, feature, priced, now, self._mint), priced.cost

    def _receipt(self, pair: Pair, cost: Cost, outcome: Outcome) -> TrackReceipt:
        feature, cached = pair.entry["feature"], pair.entry["cached"]
        self._log.debug("call.tracked", status=outcome.status, feature=feature, cost=cost.cost, cached=cached)
        return TrackReceipt(
            outcome.status,
            str(pair.id),
            feature,
            cost.cost,
            cost.saved_cost,
            cost.source,
            outcome.conflicting,
            () if outcome.reason is None else (Fault("", outcome.reason),),
        )

    def _failed(self, error: Exception) -> TrackReceipt:
        """What we did not foresee is ours to see, not the caller's."""
        self._log.error("tracking.failed", exc_info=error)
        self.counters.count("failed")
        return TrackReceipt(ReceiptStatus.DROPPED, errors=(Fault("", f"internal error: {type(error).__name__}"),))

    def _rejected(self, faults: list[Fault]) -> TrackReceipt:
        self.counters.count(ReceiptStatus.REJECTED)
        self._log.warning("tracking.rejected", errors=[f"{field}: {message}" for field, message in faults])
        return TrackReceipt(ReceiptStatus.REJECTED, errors=tuple(faults))
