"""What is asked about the limits of one call, and what is made of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Callable

from twinmeter.calls import NAMES, camel
from twinmeter.client import Client, current, is_missing
from twinmeter.configuration import ALLOW
from twinmeter.context import current_fields
from twinmeter.decisions import Away, Decision, decision_of, when_away
from twinmeter.questions import TOO_MANY_REQUESTS, Answered, Outcome
from twinmeter.values import dumps, plain, text_of

_AROUND = ("user_id", "content_type", "client_id", "campaign_id", "provider", "model", "service_type", "service_tier")
"""Fields of the blocks around that say whose call it is, and of what."""
_SENT_AS = {"output_tokens": "max_output_tokens"}
UNKNOWN_MODEL = "unknown"
"""Where nobody says which: then no price is known either."""
_FAULTS = range(400, 500)
_UNPROCESSABLE = 422
"""What the call may take at most is not known, and a limit does not let that pass."""

Told = Mapping[str, Any]
Undo = Callable[[Answered], object]


class Inquiry:
    """One of them. What is not given comes from `twinmeter.context`, as for a call."""

    def __init__(self, path: str, feature: str | None, given: Mapping[str, Any]) -> None:
        around = current_fields()
        told = {**given, "content_type": feature}
        self.given = {_SENT_AS.get(name, name): value for name, value in told.items() if not is_missing(value)}
        known = {**{name: around.get(name) for name in _AROUND}, **self.given}
        self.known = {name: value for name, value in known.items() if not is_missing(value)}
        self.known.setdefault("model", UNKNOWN_MODEL)
        self.client: Client = current()
        self.feature = _name(self.known.get("content_type", ""))
        self._path = path

    def now(self, undo: Undo | None = None) -> tuple[Decision, Told]:
        """The decision, and what else the server says. `undo` is handed an answer that comes too late. Never raises."""
        try:
            asker = self.client.asker
            outcome = asker if isinstance(asker, Away) else asker.ask(self._path, self._body(), undo)
            return self._read(outcome)
        except Exception as error:
            return self._failed(error)

    async def later(self, undo: Undo | None = None) -> tuple[Decision, Told]:
        """The same, while the event loop goes on."""
        try:
            asker = self.client.asker
            outcome = asker if isinstance(asker, Away) else await asker.ask_later(self._path, self._body(), undo)
            return self._read(outcome)
        except Exception as error:
            return self._failed(error)

    def _body(self) -> bytes:
        row = {}
        for name, value in self.known.items():
            sent = camel(name)
            row[sent] = _name(value) if sent in NAMES else plain(value, sent)
        return dumps(row).encode()

    def _read(self, outcome: Outcome) -> tuple[Decision, Told]:
        if isinstance(outcome, Away):
            return self._without(outcome), {}
        status, told, retry_after = outcome
        if status == TOO_MANY_REQUESTS:
            return decision_of(told, self.feature, allowed=False, retry_after=retry_after), told
        if status == _UNPROCESSABLE:
            decision = decision_of(told, self.feature, allowed=False)
            return decision._replace(reason=str(told.get("detail"))), told
        if status in _FAULTS:
            reason = f"the server does not take the question ({status}): {told.get('detail')}"
            self.client.say(f"question {reason}", f"limits are not checked: {reason}")
            return self._without(Away(reason)), told
        decision = decision_of(told, self.feature, allowed=told.get("allowed") is not False)
        return decision._replace(unenforced=told.get("unenforced") is True), told

    def _without(self, away: Away) -> Decision:
        """Where the server cannot be asked."""
        return when_away(away, self.feature, allowed=self.client.configuration.limits_when_away == ALLOW)

    def _failed(self, error: Exception) -> tuple[Decision, Told]:
        name = type(error).__name__
        self.client.say(f"question {name}", f"limits are not checked, by a fault of the client: {name}")
        return self._without(Away(f"internal error: {name}")), {}


def _name(value: Any) -> str:
    return text_of(value.value if isinstance(value, Enum) else value)
