"""What ledger entries add to the rollups: the rows of a delta.

The same code makes the delta of a batch as it is written and the recount of a day, from the entries as they are stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from app.rollups.usage_sums import Columns, Row, Tags, UsageSums, add_times, add_totals, increase, named
from models import CostSource
from models.documents import Document
from models.latency import bucket_of
from models.money import stored_units
from models.rollups import (
    AMOUNTS,
    HOUR_TOTALS,
    OPTIONAL_AMOUNTS,
    OPTIONAL_COUNTS,
    OTHER,
    PART,
    REQUESTS,
    TAGGED,
    TIMED,
    TOTALS,
    Finding,
    joined,
)
from models.speeds import output_speed, speed_bucket
from models.unpriced import code_of

Key = tuple[Any, ...]

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
    "timeToFirstToken",
    "synthetic",
    "createdAt",
    "campaignId",
    "experiment",
    "variant",
    *OPTIONAL_COUNTS,
    *OPTIONAL_AMOUNTS,
)
"""Every field of an entry that `Increments.add` reads: a recount needs no others."""
_OPTIONAL = frozenset({*OPTIONAL_COUNTS, *OPTIONAL_AMOUNTS})
_REMARKS = frozenset({"reportedProvider", "unmapped", "unreadableUsage", "aggregated"})
"""Fields of an entry of which data quality tells."""
_GUESSES = frozenset({CostSource.UNPRICED, CostSource.ESTIMATED})


class Increments:
    """Sums over entries. Amounts are summed as integers in units of their last decimal.

    Lists instead of names, because every report of a call runs through here: it takes about 6 us.
    """

    def __init__(self, local_time: LocalTime, caps: NameCaps) -> None:
        self._local_time = local_time
        self._caps = caps
        self._usage: dict[Key, UsageSums] = {}
        self._findings: dict[Key, list[int]] = {}

    def add(self, entry: Document) -> None:  # noqa: C901, PLR0912 - in one piece: calls would double its time
        """Count one entry, as the ledger stores it."""
        day, hour = self._local_time(entry["createdAt"])
        client, synthetic = entry["clientId"], entry["synthetic"]
        key = (day, client, synthetic, entry["provider"], entry["aiModel"], entry["serviceType"], entry["feature"])
        usage = self._usage.get(key)
        if usage is None:
            usage = self._usage[key] = UsageSums()
        cost = 0 if entry["cost"] is None else stored_units(entry["cost"])
        saved = stored_units(entry["savedCost"])
        source = entry["costSource"]
        add_totals(usage.totals, entry, cost, saved)
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
        if (tags := Tags.of(entry)) is not None:
            figures = success, entry["inputTokens"], entry["outputTokens"], tokens, source == CostSource.UNPRICED
            usage.add_tags(tags, entry["userId"], (1, *figures, cost, saved))
        if (of_hour := usage.hours.get(hour)) is None:
            of_hour = usage.hours[hour] = [0] * len(HOUR_TOTALS)
        of_hour[0] += 1
        of_hour[1] += success
        of_hour[2] += entry["inputTokens"]
        of_hour[3] += entry["outputTokens"]
        of_hour[4] += cost
        increase(usage.statuses, entry["status"], 1)
        if (duration := entry.get("requestDuration")) is not None:
            increase(usage.latency, bucket_of(duration), 1)
        if (first_token := entry.get("timeToFirstToken")) is not None:
            increase(usage.first_tokens, speed_bucket(first_token), 1)
        if success and not entry["cached"]:
            reasoning = entry.get("reasoningTokens") or 0
            if (speed := output_speed(entry["outputTokens"], duration, first_token, reasoning)) is not None:
                increase(usage.per_second, speed_bucket(speed), 1)
        for more in entry.keys() & _OPTIONAL:
            if (value := entry[more]) is not None:
                increase(usage.more, more, stored_units(value) if more in AMOUNTS else value)
        if source in _GUESSES or not _REMARKS.isdisjoint(entry):
            for kind, noted in _findings(entry):
                self._add_finding((day, client, synthetic, kind, key[3], key[4], noted), entry, cost, saved)

    def add_alike(self, entry: Document, users: Mapping[str, int], hours: Mapping[str, int]) -> None:
        """Count entries of the day of `entry` that differ from it only in user and time, by user and by hour.

        They have no conversation, campaign or experiment.
        """
        one = Increments(self._local_time, self._caps)
        one.add(entry)
        for key, usage in one._usage.items():
            if key not in self._usage:
                self._usage[key] = UsageSums()
            self._usage[key].add_times(usage, users, hours)
        for key, totals in one._findings.items():
            add_times(self._findings.setdefault(key, [0] * len(TOTALS)), totals, sum(users.values()))

    def add_columns(self, columns: Columns) -> None:
        """Count calls that have so much in common."""
        first, last = (self._local_time(moment) for moment in (min(columns.moments), max(columns.moments)))
        if first != last:
            for part in columns.by(self._local_time):
                self.add_columns(part)
            return
        entry = columns.entry
        client, synthetic, provider, model = (entry[name] for name in ("clientId", "synthetic", "provider", "aiModel"))
        key = (first[0], client, synthetic, provider, model, entry["serviceType"], entry["feature"])
        if (usage := self._usage.get(key)) is None:
            usage = self._usage[key] = UsageSums()
        totals = usage.add_columns(columns, first[1])
        for kind, noted in _findings(entry):
            finding = (*key[:3], kind, provider, model, noted)
            add_times(self._findings.setdefault(finding, [0] * len(TOTALS)), totals, 1)

    def delta(self, calls: int) -> Document:
        """The delta document of everything that was added. It asks MongoDB, in a thread. Raises PyMongoError."""
        self.admit_names()
        about = {"at": datetime.now(UTC), "calls": calls, "timezone": self._local_time.zone.key}
        return {**about, **TAGGED, **TIMED, **self.rows()}

    def admit_names(self) -> None:
        """Admit the names that `rows` will distinguish, likewise."""
        found: dict[str, dict[str, dict[str, None]]] = {}
        for (_, client, _, provider, model, _, feature), sums in self._usage.items():
            names = found.setdefault(client, {})
            _note(names, provider=provider, model=model, feature=feature)
            for campaign in sums.campaigns:
                _note(names, campaign=campaign)
            for experiment, variant, _ in sums.variants:
                _note(names, variant=joined(experiment, variant))
        for _, client, _, _, provider, model, name in self._findings:
            _note(found.setdefault(client, {}), provider=provider, model=model, name=name)
        for client, named_by in found.items():
            self._caps.admit(client, named_by)

    def rows(self) -> Document:
        """The affected `days`, `usage` rows with their users and conversations, and `findings`.

        What differs only in names that are counted under `other` is one row, however many of them there are.
        """
        usage: dict[Key, list[UsageSums]] = {}
        findings: dict[Key, list[list[int]]] = {}
        for (day, client, synthetic, *names), sums in self._usage.items():
            provider, model, service_type, feature = names
            part = (
                self._counted_as(client, "provider", provider),
                self._counted_as(client, "model", model),
                service_type,
                self._counted_as(client, "feature", feature),
            )
            where = day, client, synthetic
            admitted, others = self._with_admitted(client, sums)
            usage.setdefault((*where, *part), []).append(admitted)
            for dimension, calls in others.items():
                findings.setdefault((*where, Finding.FOLDED, "", "", dimension), []).append([calls])
            for dimension, name, counted in zip(PART, names, part, strict=True):
                if name != counted:
                    folded = (*where, Finding.FOLDED, "", "", dimension)
                    findings.setdefault(folded, []).append([sums.totals[REQUESTS]])
        for (day, client, synthetic, kind, provider, model, name), totals in self._findings.items():
            key = (
                *(day, client, synthetic, kind),
                self._counted_as(client, "provider", provider),
                self._counted_as(client, "model", model),
                self._counted_as(client, "name", name),
            )
            findings.setdefault(key, []).append(totals)
        return {
            "days": sorted({key[0] for key in self._usage}),
            "usage": [_usage_row(key, sums) for key, sums in usage.items()],
            "findings": [_finding_row(key, totals) for key, totals in findings.items()],
        }

    def _add_finding(self, key: Key, entry: Document, cost: int, saved: int) -> None:
        add_totals(self._findings.setdefault(key, [0] * len(TOTALS)), entry, cost, saved)

    def _with_admitted(self, client: str, sums: UsageSums) -> tuple[UsageSums, dict[str, int]]:
        """The same with `other` for campaigns and variants that have no cells of their own, and how many calls those
        have.
        """
        campaigns = {name: self._counted_as(client, "campaign", name) for name in sums.campaigns}
        variants = {names: self._variant_as(client, names) for names in sums.variants}
        others = {
            "campaign": sum(sums.campaigns[name][0] for name, counted in campaigns.items() if name != counted),
            "variant": sum(sums.variants[names][0] for names, counted in variants.items() if names != counted),
        }
        others = {dimension: calls for dimension, calls in others.items() if calls}
        return sums.with_names(campaigns, variants) if others else sums, others

    def _variant_as(self, client: str, names: tuple[str, str, str]) -> tuple[str, str, str]:
        experiment, variant, user = names
        name = joined(experiment, variant)
        return names if self._counted_as(client, "variant", name) == name else (OTHER, OTHER, user)

    def _counted_as(self, client: str, dimension: str, name: str) -> str:
        return self._caps.counted_as(client, dimension, name)


def delta_of(
    entries: Sequence[Document], local_time: LocalTime, caps: NameCaps, columns: Sequence[Columns] = ()
) -> Document:
    """The delta document of what `entries` and `columns` add, all in one zone.

    For a thread: it asks MongoDB. Raises PyMongoError.
    """
    # of its own: others may follow another zone meanwhile
    increments = Increments(LocalTime(local_time.zone), caps)
    for entry in entries:
        increments.add(entry)
    for alike in columns:
        increments.add_columns(alike)
    return increments.delta(len(entries) + sum(len(alike.users) for alike in columns))


def _note(names: dict[str, dict[str, None]], **more: str) -> None:
    """Add one name of each dimension, behind those that are there."""
    for dimension, name in more.items():
        names.setdefault(dimension, {})[name] = None


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


def _usage_row(key: Key, sums: Sequence[UsageSums]) -> Row:
    day, client, synthetic, *part = key
    where = {"day": day, "client": client, "synthetic": synthetic}
    one = sums[0] if len(sums) == 1 else UsageSums.of(sums)
    return {**where, **dict(zip(PART, part, strict=True)), "part": joined(*part), **one.stored()}


def _finding_row(key: Key, totals: Sequence[list[int]]) -> Row:
    names = ("day", "client", "synthetic", "kind", "provider", "model", "name")
    return {**dict(zip(names, key, strict=True)), **named(TOTALS, [sum(each) for each in zip(*totals, strict=True)])}
