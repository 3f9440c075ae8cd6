"""One call of an application becomes one row of a batch: names, an id and a time of its own, and values of JSON."""

from __future__ import annotations

import os
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from itertools import count
from typing import Any

from twinmeter.clock import Clock
from twinmeter.report import Report
from twinmeter.values import dumps, flat, plain, text_of

NAMES = (
    *("userId", "contentType", "model", "clientId", "requestId", "clerkUserId", "conversationId", "campaignId"),
    *("provider", "endpoint", "experiment", "variant"),
)
"""Fields that are names: an application's id may be a number or a UUID, and is sent as its text."""
MOST_CHARACTERS = {"errorMessage": 10_000, "userAgent": 1_000}
"""Of these the server takes no more, and their beginning is what matters."""


class Call:
    """A call on its way to the server. Without `fields` it comes from the journal, and is a row already."""

    __slots__ = ("fields", "id", "is_over", "kilobytes", "mended", "number", "offset", "report", "row", "time")

    def __init__(
        self, number: int, id: str, time: float, fields: dict[str, Any] | None, report: Report | None = None
    ) -> None:
        self.number = number
        self.id = id
        self.time = time
        """When it was reported, in seconds since 1970 of this machine's clock."""
        self.fields = fields
        self.report = report
        """Who waits for its receipt."""
        self.kilobytes = sum([len(text) for text in fields.values() if type(text) is str]) >> 10 if fields else 0
        """Of its texts, where they have any to speak of."""
        self.row: bytes | None = None
        self.offset = 0.0
        """By how much its time was corrected."""
        self.is_over = False
        """Whether it has its outcome, so that nothing has to be done with it any more."""
        self.mended: tuple[str, ...] = ()
        """What could not be sent as it was."""

    @classmethod
    def from_journal(cls, number: int, row: bytes) -> Call:
        """`number` is that of the journal."""
        call = cls(number, "", 0.0, None)
        call.row = row
        return call


class Ids:
    """Ids that no other process makes: 20 random digits of this one, and a number."""

    def __init__(self) -> None:
        self._process = os.urandom(10).hex()
        self.next_number = count(1).__next__

    def of(self, number: int) -> str:
        return f"{self._process}{number:08x}"


def kept(fields: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A copy of `fields` that does not change with what the application does later, and what had to be changed.

    Metadata is made sendable here already: what is too large for the server must not fill the memory.
    """
    copy = {name: dict(value) if type(value) is dict else value for name, value in fields.items() if value is not None}
    if "metadata" not in copy:
        return copy, ()
    try:
        copy["metadata"], changed = flat(copy["metadata"])
    except Exception:
        copy["metadata"], changed = None, True
    return copy, ("metadata",) if changed else ()


def row_of(call: Call, clock: Clock) -> bytes:
    """The call as a line of NDJSON, made once: a call that is sent again is the same to the last byte.

    It raises whatever a value raises that an application has put in, where even its text cannot be had.
    """
    if call.row is None:
        row = {
            camel(name if type(name) is str else text_of(name)): value
            for name, value in (call.fields or {}).items()
            if value is not None
        }
        row.setdefault("requestId", call.id)
        if "createdAt" not in row:
            row["createdAt"], call.offset = clock.told(call.time), clock.offset
        for name in NAMES:
            if name in row and type(row[name]) is not str:
                row[name] = _name(row[name])
        if ("experiment" in row) != ("variant" in row):  # the server would refuse the call, which must count
            alone = "experiment" if "experiment" in row else "variant"
            del row[alone]
            call.mended += (alone,)
        for name, most in MOST_CHARACTERS.items():
            if name in row:
                row[name] = text_of(row[name], most)
        call.row = _encoded(row, call)
    return call.row


def _encoded(row: dict[str, Any], call: Call) -> bytes:
    try:
        return dumps(row).encode() + b"\n"
    except Exception:  # whatever an application has put in: what can be sent of it is
        sent = {text_of(name): plain(value, name) for name, value in row.items()}
        call.mended += tuple(name for name, value in row.items() if _is_changed(value, sent.get(name)))
        return dumps({name: value for name, value in sent.items() if value is not None}).encode() + b"\n"


def _is_changed(value: Any, sent: Any) -> bool:
    """Whether something was lost: dates, Decimals and numbers of NumPy are none of JSON's, but say the same there."""
    try:
        if isinstance(value, (str, dict, list)):
            return bool(value != sent)
    except Exception:
        return True
    return sent is None or (isinstance(sent, str) and not isinstance(value, (date, Decimal, Enum)))


def _name(value: Any) -> str:
    # an enum's own value; of all else the text. What is lazy may raise anything when it is looked at
    return text_of(value.value if isinstance(value, Enum) else value)


@lru_cache(maxsize=256)
def camel(name: str) -> str:
    """`cache_write_1h_tokens` as it is sent: `cacheWrite1hTokens`. A name that is so already stays."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)
