"""What ledger entries add to the rollups: the rows of a delta.

The same code makes the delta of a batch as it is written and the recount of a day, from the entries as they are stored.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.tracking.name_caps import NameCaps
from app.tracking.twins import Document
from models import CostSource
from models.latency import bucket_of
from models.money import from_units, stored_units
from models.rollups import (
    AMOUNTS,
    HOUR_TOTALS,
    OPTIONAL_AMOUNTS,
    OPTIONAL_COUNTS,
    PART,
    TOTALS,
    Finding,
    joined,
)

QUARTER_SECONDS = 900
MAX_KNOWN_QUARTERS = 10_000

Key = tuple[Any, ...]
Row = dict[str, Any]

_OPTIONAL = frozenset({*OPTIONAL_COUNTS, *OPTIONAL_AMOUNTS})
_GUESSES = frozenset({CostSource.UNPRICED, CostSource.ESTIMATED})
_NESTED = frozenset({"statuses", "hours", "latency", "users", "conversations"})


class LocalTime:
    """Days and hours by the clock on the wall. Since 2000 every zone has changed at full quarters of an hour only."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self._known: dict[int, tuple[str, str]] = {}

    def follow(self, zone: ZoneInfo) -> None:
        """Count in another zone from now on."""
        self.zone = zone
        self._known.clear()

    def __call__(self, moment: datetime) -> tuple[str, str]:
        """The day, as `2026-11-21`, and the hour, as `13`."""
        quarter = int(moment.timestamp() // QUARTER_SECONDS)
        if (found := self._known.get(quarter)) is None:
            if len(self._known) >= MAX_KNOWN_QUARTERS:
                self._known.clear()
            local = moment.astimezone(self.zone)
            found = self._known[quarter] = local.date().isoformat(), str(local.hour)
        return found


class Increments:
    """Sums over entries. Amounts are summed as whole numbers of their last decimal."""

    def __init__(self, local_time: LocalTime, caps: NameCaps) -> None:
        self._local_time = local_time
        self._caps = caps
        self._usage: dict[Key, Row] = {}
        self._findings: dict[Key, Row] = {}

    def add(self, entry: Document) -> None:
        """Count one entry, as the ledger stores it."""
        day, hour = self._local_time(entry["createdAt"])
        provider, model = entry["provider"], entry["aiModel"]
        where = day, entry["clientId"], entry["synthetic"]
        key = (*where, provider, model, entry["serviceType"], entry["feature"])
        row = self._usage.get(key)
        if row is None:
            row = self._usage[key] = _usage_row()
        cost = 0 if entry["cost"] is None else stored_units(entry["cost"])
        saved = stored_units(entry["savedCost"])
        _count(row, entry, cost, saved)
        tokens = entry["tokensUsed"]
        # lists, in the order of USER_TOTALS and CONVERSATION_TOTALS, because there are nearly as many as calls
        if (user := row["users"].get(entry["userId"])) is None:
            row["users"][entry["userId"]] = [1, int(entry["success"]), tokens, cost, saved]
        else:
            user[0] += 1
            user[1] += entry["success"]
            user[2] += tokens
            user[3] += cost
            user[4] += saved
        if "conversationId" in entry:
            if (conversation := row["conversations"].get(entry["conversationId"])) is None:
                row["conversations"][entry["conversationId"]] = [1, tokens, cost]
            else:
                conversation[0] += 1
                conversation[1] += tokens
                conversation[2] += cost
        _increase(row["statuses"], entry["status"], 1)
        if "requestDuration" in entry:
            _increase(row["latency"], str(bucket_of(entry["requestDuration"])), 1)
        of_hour = row["hours"].get(hour)
        if of_hour is None:
            of_hour = row["hours"][hour] = dict.fromkeys(HOUR_TOTALS, 0)
        of_hour["requests"] += 1
        of_hour["successes"] += entry["success"]
        of_hour["inputTokens"] += entry["inputTokens"]
        of_hour["outputTokens"] += entry["outputTokens"]
        of_hour["cost"] += cost
        for name in entry.keys() & _OPTIONAL:
            if (value := entry[name]) is not None:
                _increase(row, name, stored_units(value) if name in AMOUNTS else value)
        for kind, name in _findings(entry):
            _count(_member(self._findings, (*where, kind, provider, model, name)), entry, cost, saved)

    def rows(self) -> Document:
        """`days` that are touched, `usage` rows with their users and conversations, and `findings`."""
        usage, findings = [], []
        for (day, client, synthetic, *names), row in self._usage.items():
            provider, model, service_type, feature = names
            part = [
                self._counted_as(client, "provider", provider),
                self._counted_as(client, "model", model),
                service_type,
                self._counted_as(client, "feature", feature),
            ]
            where = {"day": day, "client": client, "synthetic": synthetic}
            usage.append({**where, **dict(zip(PART, part, strict=True)), "part": joined(*part), **_stored_usage(row)})
            for dimension, name, counted in zip(PART, names, part, strict=True):
                if name != counted:
                    finding = {"kind": Finding.FOLDED, "provider": "", "model": "", "name": dimension}
                    findings.append({**where, **finding, "requests": row["requests"]})
        for (day, client, synthetic, kind, provider, model, name), row in self._findings.items():
            finding = {
                "kind": kind,
                "provider": self._counted_as(client, "provider", provider),
                "model": self._counted_as(client, "model", model),
                "name": self._counted_as(client, "name", name),
            }
            findings.append({"day": day, "client": client, "synthetic": synthetic, **finding, **_stored(row)})
        return {"days": sorted({key[0] for key in self._usage}), "usage": usage, "findings": findings}

    def _counted_as(self, client: str, dimension: str, name: str) -> str:
        return self._caps.counted_as(client, dimension, name)


def delta_of(increments: Increments, entries: Sequence[Document], local_time: LocalTime) -> Document:
    """The delta document of what `entries` add."""
    about = {"at": datetime.now(UTC), "calls": len(entries), "timezone": local_time.zone.key}
    return {**about, **increments.rows()}


def _usage_row() -> Row:
    return {**dict.fromkeys(TOTALS, 0), "statuses": {}, "hours": {}, "latency": {}, "users": {}, "conversations": {}}


def _member(rows: dict[Any, Row], key: object) -> Row:
    row = rows.get(key)
    if row is None:
        row = rows[key] = dict.fromkeys(TOTALS, 0)
    return row


def _count(row: Row, entry: Document, cost: int, saved: int) -> None:
    """Add the totals of one entry. Written out, because every report runs through here."""
    row["requests"] += 1
    row["inputTokens"] += entry["inputTokens"]
    row["outputTokens"] += entry["outputTokens"]
    row["tokensUsed"] += entry["tokensUsed"]
    row["cost"] += cost
    row["savedCost"] += saved
    if entry["success"]:
        row["successes"] += 1
    if entry["cached"]:
        row["cached"] += 1
    if "requestDuration" in entry:
        row["duration"] += entry["requestDuration"]
        row["durations"] += 1
    if entry["costSource"] == CostSource.UNPRICED:
        row["unpriced"] += 1
    elif entry["costSource"] == CostSource.ESTIMATED:
        row["estimated"] += 1


def _increase(row: Row, name: str, value: int) -> None:
    row[name] = row.get(name, 0) + value


def _findings(entry: Document) -> Iterable[tuple[str, str]]:
    if entry["costSource"] in _GUESSES:
        yield entry["costSource"], ""
    if "reportedProvider" in entry:
        yield Finding.IMPOSSIBLE, entry["reportedProvider"]
    if "unmapped" in entry:
        yield Finding.UNMAPPED, entry["contentType"]
    if "unreadableUsage" in entry:
        yield Finding.UNREADABLE, ""


def _stored_usage(row: Row) -> Row:
    stored = _stored({name: value for name, value in row.items() if name not in _NESTED})
    stored["statuses"], stored["latency"] = row["statuses"], row["latency"]
    stored["hours"] = {hour: _stored(figures) for hour, figures in row["hours"].items()}
    stored["users"] = [_stored_user(user, totals) for user, totals in row["users"].items()]
    stored["conversations"] = [
        {"conversation": name, "requests": requests, "tokensUsed": tokens, "cost": from_units(cost)}
        for name, (requests, tokens, cost) in row["conversations"].items()
    ]
    return stored


def _stored_user(user: str, totals: list[int]) -> Row:
    requests, successes, tokens, cost, saved = totals
    stored = {"user": user, "requests": requests, "tokensUsed": tokens, "cost": from_units(cost)}
    if successes:
        stored["successes"] = successes
    if saved:
        stored["savedCost"] = from_units(saved)
    return stored


def _stored(figures: Row) -> Row:
    """Without what is zero."""
    return {name: from_units(value) if name in AMOUNTS else value for name, value in figures.items() if value}
