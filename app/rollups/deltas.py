"""What ledger entries add to the rollups: the rows of a delta.

The same code makes the delta of a batch as it is written and the recount of a day, from the entries as they are stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from models import CostSource
from models.documents import Document
from models.latency import bucket_of
from models.money import from_units, stored_units
from models.rollups import (
    AMOUNTS,
    CACHED,
    COST,
    DURATION,
    DURATIONS,
    ESTIMATED,
    HOUR_TOTALS,
    INPUT_TOKENS,
    OPTIONAL_AMOUNTS,
    OPTIONAL_COUNTS,
    OUTPUT_TOKENS,
    PART,
    REQUESTS,
    SAVED_COST,
    SUCCESSES,
    TOKENS_USED,
    TOTALS,
    UNPRICED,
    Finding,
    joined,
)
from models.unpriced import code_of

Key = tuple[Any, ...]
Row = dict[str, Any]

COUNTED_FIELDS = (
    "userId",
    "clientId",
    "conversationId",
    "contentType",
    "feature",
    "serviceType",
    "provider",
    "reportedProvider",
    "aiModel",
    "status",
    "success",
    "cached",
    "inputTokens",
    "outputTokens",
    "tokensUsed",
    "cost",
    "savedCost",
    "costSource",
    "unmapped",
    "unpricedReason",
    "aggregated",
    "unreadableUsage",
    "requestDuration",
    "synthetic",
    "createdAt",
    *OPTIONAL_COUNTS,
    *OPTIONAL_AMOUNTS,
)
"""Every field of an entry that `Increments.add` reads: a recount needs no others."""
_OPTIONAL = frozenset({*OPTIONAL_COUNTS, *OPTIONAL_AMOUNTS})
_REMARKS = frozenset({"reportedProvider", "unmapped", "unreadableUsage", "aggregated"})
"""Fields of an entry of which data quality tells."""
_GUESSES = frozenset({CostSource.UNPRICED, CostSource.ESTIMATED})


class _Usage:
    """What calls of one day, client and part add. Lists are in the order of TOTALS, HOUR_TOTALS and so on."""

    __slots__ = ("conversations", "hours", "latency", "more", "statuses", "totals", "users")

    def __init__(self) -> None:
        self.totals = [0] * len(TOTALS)
        self.more: dict[str, int] = {}
        self.statuses: dict[str, int] = {}
        self.hours: dict[str, list[int]] = {}
        self.latency: dict[int, int] = {}
        self.users: dict[str, list[int]] = {}
        self.conversations: dict[str, list[int]] = {}

    def add(self, other: "_Usage", users: Mapping[str, int]) -> None:
        """Add one call without a conversation, so many times for each user."""
        times = sum(users.values())
        _add_times(self.totals, other.totals, times)
        for hour, totals in other.hours.items():
            _add_times(self.hours.setdefault(hour, [0] * len(HOUR_TOTALS)), totals, times)
        for mine, theirs in ((self.more, other.more), (self.statuses, other.statuses), (self.latency, other.latency)):
            for name, value in theirs.items():
                _increase(mine, name, times * value)
        (of_user,) = other.users.values()
        for user, calls in users.items():
            _add_times(self.users.setdefault(user, [0] * len(of_user)), of_user, calls)


class Increments:
    """Sums over entries. Amounts are summed as integers in units of their last decimal.

    Lists instead of names, because every report of a call runs through here: it takes about 6 us.
    """

    def __init__(self, local_time: LocalTime, caps: NameCaps) -> None:
        self._local_time = local_time
        self._caps = caps
        self._usage: dict[Key, _Usage] = {}
        self._findings: dict[Key, list[int]] = {}

    def add(self, entry: Document) -> None:  # noqa: C901 - in one piece, because function calls would double its time
        """Count one entry, as the ledger stores it."""
        day, hour = self._local_time(entry["createdAt"])
        client, synthetic = entry["clientId"], entry["synthetic"]
        key = (day, client, synthetic, entry["provider"], entry["aiModel"], entry["serviceType"], entry["feature"])
        usage = self._usage.get(key)
        if usage is None:
            usage = self._usage[key] = _Usage()
        cost = 0 if entry["cost"] is None else stored_units(entry["cost"])
        saved = stored_units(entry["savedCost"])
        source = entry["costSource"]
        _add_totals(usage.totals, entry, cost, saved)
        success, tokens = entry["success"], entry["tokensUsed"]
        if (user := usage.users.get(entry["userId"])) is None:
            usage.users[entry["userId"]] = [1, int(success), tokens, cost, saved]
        else:
            user[0] += 1
            user[1] += success
            user[2] += tokens
            user[3] += cost
            user[4] += saved
        if (name := entry.get("conversationId")) is not None:
            if (conversation := usage.conversations.get(name)) is None:
                usage.conversations[name] = [1, tokens, cost]
            else:
                conversation[0] += 1
                conversation[1] += tokens
                conversation[2] += cost
        if (of_hour := usage.hours.get(hour)) is None:
            of_hour = usage.hours[hour] = [0] * len(HOUR_TOTALS)
        of_hour[0] += 1
        of_hour[1] += success
        of_hour[2] += entry["inputTokens"]
        of_hour[3] += entry["outputTokens"]
        of_hour[4] += cost
        _increase(usage.statuses, entry["status"], 1)
        if (duration := entry.get("requestDuration")) is not None:
            _increase(usage.latency, bucket_of(duration), 1)
        for more in entry.keys() & _OPTIONAL:
            if (value := entry[more]) is not None:
                _increase(usage.more, more, stored_units(value) if more in AMOUNTS else value)
        if source in _GUESSES or not _REMARKS.isdisjoint(entry):
            for kind, noted in _findings(entry):
                self._add_finding((day, client, synthetic, kind, key[3], key[4], noted), entry, cost, saved)

    def add_alike(self, entry: Document, users: Mapping[str, int]) -> None:
        """Count entries that differ from `entry` only in user and minute, by user. They have no conversation."""
        one = Increments(self._local_time, self._caps)
        one.add(entry)
        for key, usage in one._usage.items():
            if key not in self._usage:
                self._usage[key] = _Usage()
            self._usage[key].add(usage, users)
        for key, totals in one._findings.items():
            _add_times(self._findings.setdefault(key, [0] * len(TOTALS)), totals, sum(users.values()))

    def delta(self, calls: int) -> Document:
        """The delta document of everything that was added. It asks MongoDB, in a thread. Raises PyMongoError."""
        self.admit_names()
        return {"at": datetime.now(UTC), "calls": calls, "timezone": self._local_time.zone.key, **self.rows()}

    def admit_names(self) -> None:
        """Admit the names that `rows` will distinguish, likewise."""
        found: dict[str, dict[str, dict[str, None]]] = {}
        for _, client, _, provider, model, _, feature in self._usage:
            _note(found.setdefault(client, {}), provider=provider, model=model, feature=feature)
        for _, client, _, _, provider, model, name in self._findings:
            _note(found.setdefault(client, {}), provider=provider, model=model, name=name)
        for client, names in found.items():
            self._caps.admit(client, names)

    def rows(self) -> Document:
        """The affected `days`, `usage` rows with their users and conversations, and `findings`."""
        usage: list[Row] = []
        findings: list[Row] = []
        for (day, client, synthetic, *names), increments in self._usage.items():
            provider, model, service_type, feature = names
            part = [
                self._counted_as(client, "provider", provider),
                self._counted_as(client, "model", model),
                service_type,
                self._counted_as(client, "feature", feature),
            ]
            where = {"day": day, "client": client, "synthetic": synthetic}
            usage.append({**where, **dict(zip(PART, part, strict=True)), "part": joined(*part), **_stored(increments)})
            for dimension, name, counted in zip(PART, names, part, strict=True):
                if name != counted:
                    finding = {"kind": Finding.FOLDED, "provider": "", "model": "", "name": dimension}
                    findings.append({**where, **finding, "requests": increments.totals[REQUESTS]})
        for (day, client, synthetic, kind, provider, model, name), totals in self._findings.items():
            finding = {
                "kind": kind,
                "provider": self._counted_as(client, "provider", provider),
                "model": self._counted_as(client, "model", model),
                "name": self._counted_as(client, "name", name),
            }
            where = {"day": day, "client": client, "synthetic": synthetic}
            findings.append({**where, **finding, **_named(TOTALS, totals)})
        return {"days": sorted({key[0] for key in self._usage}), "usage": usage, "findings": findings}

    def _add_finding(self, key: Key, entry: Document, cost: int, saved: int) -> None:
        _add_totals(self._findings.setdefault(key, [0] * len(TOTALS)), entry, cost, saved)

    def _counted_as(self, client: str, dimension: str, name: str) -> str:
        return self._caps.counted_as(client, dimension, name)


def delta_of(entries: Sequence[Document], local_time: LocalTime, caps: NameCaps) -> Document:
    """The delta document of what `entries` add, all in one zone. For a thread: it asks MongoDB. Raises PyMongoError."""
    # of its own: others may follow another zone meanwhile
    increments = Increments(LocalTime(local_time.zone), caps)
    for entry in entries:
        increments.add(entry)
    return increments.delta(len(entries))


def _note(names: dict[str, dict[str, None]], **more: str) -> None:
    """Add one name of each dimension, behind those that are there."""
    for dimension, name in more.items():
        names.setdefault(dimension, {})[name] = None


def _add_totals(totals: list[int], entry: Document, cost: int, saved: int) -> None:
    """Add one entry, in the order of TOTALS."""
    totals[REQUESTS] += 1
    totals[SUCCESSES] += entry["success"]
    totals[CACHED] += entry["cached"]
    totals[INPUT_TOKENS] += entry["inputTokens"]
    totals[OUTPUT_TOKENS] += entry["outputTokens"]
    totals[TOKENS_USED] += entry["tokensUsed"]
    totals[UNPRICED] += entry["costSource"] == CostSource.UNPRICED
    totals[ESTIMATED] += entry["costSource"] == CostSource.ESTIMATED
    if (duration := entry.get("requestDuration")) is not None:
        totals[DURATION] += duration
        totals[DURATIONS] += 1
    totals[COST] += cost
    totals[SAVED_COST] += saved


def _add_times(mine: list[int], theirs: list[int], times: int) -> None:
    for place, value in enumerate(theirs):
        mine[place] += times * value


def _increase(counts: dict[Any, int], name: object, value: int) -> None:
    counts[name] = counts.get(name, 0) + value


def _findings(entry: Document) -> Iterable[tuple[str, str]]:
    if (source := entry["costSource"]) in _GUESSES:
        yield source, code_of(entry.get("unpricedReason")) if source == CostSource.UNPRICED else ""
    if "reportedProvider" in entry:
        yield Finding.IMPOSSIBLE, entry["reportedProvider"]
    if "unmapped" in entry:
        yield Finding.UNMAPPED, entry["contentType"]
    if "unreadableUsage" in entry:
        yield Finding.UNREADABLE, ""
    if "aggregated" in entry:
        yield Finding.AGGREGATED, ""


def _stored(usage: _Usage) -> Row:
    return {
        **_named(TOTALS, usage.totals),
        **_without_zeros(usage.more),
        "statuses": usage.statuses,
        "latency": {str(bucket): count for bucket, count in usage.latency.items()},
        "hours": {hour: _named(HOUR_TOTALS, totals) for hour, totals in usage.hours.items()},
        # written out, because there are nearly as many of them as calls
        "users": [_user_row(user, totals) for user, totals in usage.users.items()],
        "conversations": [
            {"conversation": name, "requests": requests, "tokensUsed": tokens, "cost": from_units(cost)}
            for name, (requests, tokens, cost) in usage.conversations.items()
        ],
    }


def _user_row(user: str, totals: list[int]) -> Row:
    requests, successes, tokens, cost, saved = totals
    row = {"user": user, "requests": requests, "tokensUsed": tokens, "cost": from_units(cost)}
    if successes:
        row["successes"] = successes
    if saved:
        row["savedCost"] = from_units(saved)
    return row


def _named(names: tuple[str, ...], totals: list[int]) -> Row:
    """Without what is zero."""
    return {
        name: from_units(value) if name in AMOUNTS else value
        for name, value in zip(names, totals, strict=True)
        if value
    }


def _without_zeros(figures: dict[str, int]) -> Row:
    return _named(tuple(figures), list(figures.values()))
