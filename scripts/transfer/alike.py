"""Rows of our own export that differ in who, when and how much alone: what they share is checked and built once.

The first row of a kind goes the full way; the next ones get its documents, with their own values in them. What is not
plainly valid goes the full way too, where its fault is named.
"""

import re
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId

from app.ledger.common import is_name
from app.ledger.twins import Pair
from models.base import camel
from models.fields import MAX_COUNT, MAX_MILLISECONDS, OLDEST
from models.money import exact_units, from_units
from models.token_usage import PART_TOKENS, TokenUsage, contradictions
from scripts.transfer.columns import EXTERNAL_ID

MOST = 1_000
"""Kinds, and sets of columns, that are kept."""

_AMOUNTS = ("inputCost", "outputCost", "generationCost", "cost", "savedCost")
_DURATIONS = ("requestDuration", "timeToFirstToken")
_PARTS = {camel(name): name for name in (*PART_TOKENS, "images", "characters")}
_TOTALS = ("inputTokens", "outputTokens", "tokensUsed")
_MOMENTS = ("createdAt", "recordedAt")
_OWN_NAMES = ("conversationId", "reservationId")
_OWN = frozenset({"_id", "userId", *_OWN_NAMES, EXTERNAL_ID, *_TOTALS, *_AMOUNTS, *_DURATIONS, *_PARTS, *_MOMENTS})
_SHARED = (
    *("schemaVersion", "clientId", "contentType", "feature", "serviceType", "provider", "reportedProvider", "aiModel"),
    *("endpoint", "campaignId", "status", "success", "cached", "synthetic", "costSource", "priceVersion", "costBasis"),
    *("unpricedReason", "unreadableUsage", "unmapped", "estimatedUsage", "serviceTier", "batch", "region", "keyId"),
    *("upstream", "experiment", "variant"),
)
_NAMES = _OWN | set(_SHARED)
_NEEDED = frozenset({"_id", "userId", *_TOTALS, *_MOMENTS, "savedCost"})
_ID = re.compile("[0-9a-f]{24}")

Key = tuple[Any, ...]


class Alike:
    """What is known of rows so far."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[str, ...], bool] = {}
        self._kinds: dict[Key, _Kind | None] = {}

    def key(self, told: dict[str, Any]) -> Key | None:
        """What a row shares with others, as it was read; None where it has what is nobody else's."""
        names = tuple(told)
        if (usual := self._shapes.get(names)) is None:
            if len(self._shapes) >= MOST:
                self._shapes.clear()
            usual = self._shapes[names] = told.keys() <= _NAMES and told.keys() >= _NEEDED
        return (names, *map(told.get, _SHARED)) if usual else None

    def pair(self, key: Key, told: dict[str, Any]) -> Pair | None:
        """Both documents of such a row, where it is like one before and plainly valid."""
        kind = self._kinds.get(key)
        return None if kind is None else kind.pair(told)

    def learn(self, key: Key, told: dict[str, Any], pair: Pair) -> None:
        """Take from a row that went the full way what the next ones of its kind need."""
        if key in self._kinds:
            return
        if len(self._kinds) >= MOST:
            self._kinds.clear()
        kind = _Kind(pair, told)
        self._kinds[key] = kind if kind.makes(pair, told) else None


class _Kind:
    def __init__(self, of: Pair, told: dict[str, Any]) -> None:
        self._entry, self._event = of.entry, of.event
        self._amounts = [name for name in _AMOUNTS if name in told]
        self._is_split = told.keys() >= set(_AMOUNTS)
        self._durations = [name for name in _DURATIONS if name in told]
        self._parts = [name for name in told if name in _PARTS]
        self._names = [name for name in _OWN_NAMES if name in told]
        self._texts = [*self._names, EXTERNAL_ID] if EXTERNAL_ID in told else self._names

    def makes(self, pair: Pair, told: dict[str, Any]) -> bool:
        """Whether the row that it was taken from comes out as it was."""
        made = self.pair(told)
        return made == pair and made is not None and [*made.entry] == [*pair.entry]

    def pair(self, told: dict[str, Any]) -> Pair | None:
        """None where anything is unusual, also if it is valid."""
        id_, user, inputs, outputs = told["_id"], told["userId"], told["inputTokens"], told["outputTokens"]
        created, recorded = _stored(told["createdAt"]), _stored(told["recordedAt"])
        if (
            _ID.fullmatch(id_) is None
            or not (is_name(user) and all(is_name(told[name]) for name in self._texts))
            or not (inputs >= 0 and outputs >= 0 and inputs + outputs == told["tokensUsed"] <= MAX_COUNT)
            or not (created is not None and recorded is not None and OLDEST <= created <= datetime.now(UTC))
            or not all(0 <= told[name] <= MAX_MILLISECONDS for name in self._durations)
            or not self._fit(told, inputs, outputs)
            or (amounts := self._units(told)) is None
        ):
            return None
        entry = self._entry.copy()
        entry["_id"] = own_id = ObjectId(id_)
        entry["userId"] = user
        entry["inputTokens"], entry["outputTokens"], entry["tokensUsed"] = inputs, outputs, inputs + outputs
        entry["createdAt"], entry["recordedAt"] = created, recorded
        for name, units in amounts.items():
            entry[name] = from_units(units)
        for name in (*self._durations, *self._parts, *self._names):
            entry[name] = told[name]
        event = self._event | {"_id": own_id, "userId": user, "createdAt": created}
        event["properties"] = self._event["properties"] | {"cost": entry["cost"]}
        if EXTERNAL_ID in told:
            event[EXTERNAL_ID] = told[EXTERNAL_ID]
        return Pair(own_id, entry, event, stamped=False)

    def _fit(self, told: dict[str, Any], inputs: int, outputs: int) -> bool:
        """Whether the counts that are parts of others, or beside them, are there and sound."""
        if not self._parts:
            return True
        counts = {name: told[name] for name in self._parts}
        usage = {_PARTS[name]: count for name, count in counts.items() if _PARTS[name] in PART_TOKENS}
        return all(0 < count <= MAX_COUNT for count in counts.values()) and not contradictions(
            TokenUsage(inputs, outputs, **usage)
        )

    def _units(self, told: dict[str, Any]) -> dict[str, int] | None:
        """Amounts in units of their last stored decimal, where they are whole ones, and sound."""
        found: dict[str, int] = {}
        for name in self._amounts:
            if (units := exact_units(told[name])) is None or (units < 0 and name != "savedCost"):
                return None
            found[name] = units
        if self._is_split and found["inputCost"] + found["outputCost"] + found["generationCost"] != found["cost"]:
            return None
        return found


def _stored(moment: datetime) -> datetime | None:
    """As MongoDB keeps it; None where UTC has no such year."""
    if moment.tzinfo is not UTC:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            return None
    below = moment.microsecond % 1_000
    return moment.replace(microsecond=moment.microsecond - below) if below else moment
