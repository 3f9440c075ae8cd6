"""What became of calls: counted, told to who waits, and logged once for each reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from twinmeter.calls import Call, row_of
from twinmeter.clock import Clock
from twinmeter.configuration import OnRejected
from twinmeter.notices import Notices
from twinmeter.receipts import Receipt, dropped, receipt_of
from twinmeter.tally import Tally

_OF_PROVIDERS = frozenset({"usage", "response"})
"""Fields that servers from before this client do not know; all others are as old as it is."""
_UNKNOWN = "unknown field"


class Outcomes:
    """Counts of one client. All but `lost` are changed only by who sends."""

    def __init__(self, notices: Notices, on_rejected: OnRejected | None) -> None:
        self.delivered = 0
        self.rejected = 0
        self.mended = 0
        self.lost = Tally()
        self._notices = notices
        self._on_rejected = on_rejected

    def delivered_call(self, call: Call, told: dict[str, Any]) -> None:
        """The server has it."""
        call.is_over = True
        self.delivered += 1
        if call.mended:
            self._mended(call)
        if call.report is not None:
            call.report.told(receipt_of(told))

    def rejected_call(self, call: Call, receipt: Receipt) -> None:
        """The server never takes it."""
        call.is_over = True
        self.rejected += 1
        reasons = "; ".join(f"{fault.field or 'the call'}: {fault.message}" for fault in receipt.errors)
        if any(fault.field in _OF_PROVIDERS and fault.message.startswith(_UNKNOWN) for fault in receipt.errors):
            reasons = f"the server is older than this client, and has to be upgraded ({reasons})"
        self._notices.once(f"rejected {reasons}", f"the server rejects a call, and others like it: {reasons}")
        if call.report is not None:
            call.report.told(receipt)
        if self._on_rejected is not None:
            try:
                self._on_rejected(json.loads(call.row or b"{}"), receipt)
            except Exception as error:
                self._notices.once("on_rejected", "on_rejected has raised an error", error=error)

    def lost_call(self, call: Call, reason: str) -> None:
        """It could not be kept."""
        call.is_over = True
        self.lost.add()
        if call.report is not None:
            call.report.told(dropped(reason))

    def sendable(self, calls: list[Call], clock: Clock) -> Iterator[Call]:
        """Those of which a row can be made. One that cannot be written is lost, and keeps no other from being sent."""
        for call in calls:
            if self._is_written(call, clock):
                yield call

    def _is_written(self, call: Call, clock: Clock) -> bool:
        try:
            row_of(call, clock)
        except Exception as error:
            self.lost_call(call, f"it cannot be written as JSON: {type(error).__name__}")
            self._notices.once("unwritten", "a call is lost: it cannot be written as JSON", error=error)
            return False
        return True

    def _mended(self, call: Call) -> None:
        self.mended += 1
        names = ", ".join(call.mended)
        self._notices.once(f"mended {names}", f"a call was sent without what JSON or the server cannot hold: {names}")
