"""What calls and events say of an experiment: pipelines, and their rows. All are read in one session."""

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bson import Decimal128

from app.finance.experiments.known import Called, Conversion, Shown, user_key
from app.reports.queries.rollup_rows import Query, synthetic_of
from app.reports.query import Synthetic
from app.reports.reader import Documents
from app.reports.windows import TimeWindow, midnight
from models import AIUsage, Analytics, CostSource
from models.documents import Document
from models.experiments import Experiment
from models.money import exact_units, stored_units, to_decimal
from models.rollups import DELTAS, VARIANT_TOTALS, VARIANTS

CHUNK = timedelta(days=1)
"""Of events: those of a chunk are read again where one has come. In UTC: MongoDB knows no zones of ours."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_WHO_AND_WHICH = {"client": "$clientId", "user": "$userId", "variant": "$variant"}


class Sights:
    """Of one experiment, in the days of `window`."""

    def __init__(self, experiment: Experiment, window: TimeWindow, synthetic: Synthetic) -> None:
        self.experiment = experiment
        self.window = window
        client = experiment.client_id
        self._client = {} if client is None else {"client": {"$eq": client}}
        self._real = {"$in": synthetic_of(synthetic)}
        self._named = {"experiment": {"$eq": experiment.name}}
        self._days = {"$gte": window.first.isoformat(), "$lte": window.last.isoformat()}

    def cells(self, *, by_day: bool, users: Collection[str] | None = None, until: str | None = None) -> Query:
        """Sums of cells, and of what waits, by user and variant: `called` reads its rows.

        Of these `users` alone, of whichever client; of days before `until`. Where a correction waits, the first day of
        a user may be one of which it leaves nothing: then sums are to be made `by_day` first.
        """
        days = self._days if until is None else {**self._days, "$lt": until}
        some = {} if users is None else {"user": {"$in": sorted(users)}}
        where, of = "$usage", "$usage.variants"
        key = {
            **{name: f"{where}.{name}" for name in ("day", "client")},
            **{name: f"{of}.{name}" for name in ("variant", "user")},
        }
        waiting = [
            *self._waiting(days),
            {"$match": _below("usage.variants", some)},
            {"$project": {**{name: f"{of}.{name}" for name in VARIANT_TOTALS}, "_id": key}},
        ]
        who = {name: f"$_id.{name}" for name in ("client", "user", "variant")}
        sums = {name: {"$sum": f"${name}"} for name in VARIANT_TOTALS}
        first = {"$min": {"$cond": [{"$gt": ["$requests", 0]}, "$_id.day", None]}}
        in_cells = {**self._named, "day": days, "synthetic": self._real, **self._client, **some}
        return VARIANTS, [
            {"$match": _below("_id", in_cells)},
            {"$project": dict.fromkeys(VARIANT_TOTALS, 1)},
            {"$unionWith": {"coll": DELTAS, "pipeline": waiting}},
            *([{"$group": {"_id": {**who, "day": "$_id.day"}, **sums}}] if by_day else []),
            {"$group": {"_id": who, "day": first, **sums}},
            {"$match": {"requests": {"$gt": 0}}},
        ]

    def changed(self, since: int, most: int) -> Query:
        """The users of cells that merges after one have changed; no more than `most` of them."""
        stamped = {"merge": {"$gt": since}, **_below("_id", self._named)}
        who = {"client": "$_id.client", "user": "$_id.user"}
        return VARIANTS, [{"$match": stamped}, {"$group": {"_id": who}}, {"$limit": most}]

    def waiting(self) -> Query:
        """The users of calls that are in no cell yet."""
        who = {"client": "$usage.client", "user": "$usage.variants.user"}
        return DELTAS, [*self._waiting(self._days), {"$group": {"_id": who}}]

    def ledger(self, whole_from: str) -> Query:
        """As `cells`, of the calls themselves, from a day on."""
        sums = {
            "first": {"$min": "$createdAt"},
            "requests": {"$sum": 1},
            "tokensUsed": {"$sum": "$tokensUsed"},
            "cost": {"$sum": "$cost"},
            "unpriced": {"$sum": {"$cond": [{"$eq": ["$costSource", CostSource.UNPRICED.value]}, 1, 0]}},
        }
        match = self._seen()
        if whole_from:
            start = max(self.window.start, midnight(date.fromisoformat(whole_from), self.window.zone))
            match["createdAt"] = {"$gte": start, "$lt": self.window.end}
        return AIUsage.Settings.name, [{"$match": match}, {"$group": {"_id": _WHO_AND_WHICH, **sums}}]

    def first_calls(self, users: Collection[str]) -> Query:
        """The moments of the first calls of these users, of whichever client."""
        who = {"client": "$clientId", "user": "$userId"}
        return AIUsage.Settings.name, [
            {"$match": {**self._seen(), "userId": {"$in": sorted(users)}}},
            {"$group": {"_id": who, "first": {"$min": "$createdAt"}}},
        ]

    def count_of_events(self, *, conversions: bool) -> Query:
        """How many events there are: MongoDB counts them in an index, and looks at none."""
        return self._in_index([{"$group": {"_id": None, "events": {"$sum": 1}}}], conversions=conversions)

    def oldest_event(self, *, conversions: bool) -> Query:
        """The moment of the first of them."""
        first: list[Document] = [{"$sort": {"createdAt": 1}}, {"$limit": 1}, {"$project": {"_id": 0, "createdAt": 1}}]
        return self._in_index(first, conversions=conversions)

    def events_by_chunk(self, *, conversions: bool) -> Query:
        """How many events there are in each chunk of time, and the sum of their moments: another one changes both. In
        an index alone.
        """
        sums = {"events": {"$sum": 1}, "moments": {"$sum": {"$toLong": "$createdAt"}}}
        chunk = {"$dateTrunc": {"date": "$createdAt", "unit": "day"}}
        return self._in_index([{"$group": {"_id": chunk, **sums}}], conversions=conversions)

    def events(self, chunks: Collection[datetime], *, conversions: bool) -> Query:
        """Events of the time of these chunks: conversions, whoever's; or those that say of a variant."""
        texts = {"userId": {"$type": "string"}, "clientId": {"$type": "string"}}
        client = {f"{name}Id": condition for name, condition in self._client.items()}
        match = {**texts, **client, "synthetic": self._real}
        if conversions:
            match |= self._conversion()
        else:
            match |= {**self._named, "variant": {"$type": "string"}}
            if self.experiment.conversion_event is not None:
                match["event"] = {"$ne": self.experiment.conversion_event}
        bounds = self._moments()
        match["createdAt"] = {
            "$gte": max(bounds["$gte"], min(chunks)),
            "$lt": min(bounds["$lt"], max(chunks) + CHUNK),
        }
        shown = dict.fromkeys(("userId", "clientId", "createdAt", "value" if conversions else "variant"), 1)
        return Analytics.Settings.name, [{"$match": match}, {"$project": {"_id": 0, **shown}}]

    def called(self, rows: Documents) -> list[Called]:
        """The rows of `cells` and `ledger`."""
        return [
            Called(
                user_key(row["_id"]["client"], row["_id"]["user"]),
                row["_id"]["variant"],
                row["day"] if "day" in row else self.day(row["first"]),
                row["requests"],
                row["tokensUsed"],
                stored_units(row["cost"]) if isinstance(row["cost"], Decimal128) else 0,
                row["unpriced"],
            )
            for row in rows
        ]

    def converted(self, rows: Documents) -> Iterable[tuple[datetime, Conversion]]:
        """Rows of `events`, by chunk."""
        for row in rows:
            at = row["createdAt"]
            user = user_key(row["clientId"], row["userId"])
            yield chunk_of(at), Conversion(user, milliseconds(at), self.day(at), _units(row.get("value")))

    def shown(self, rows: Documents) -> Iterable[tuple[datetime, Shown]]:
        """Likewise."""
        for row in rows:
            user = user_key(row["clientId"], row["userId"])
            yield chunk_of(row["createdAt"]), Shown(user, row["variant"], milliseconds(row["createdAt"]))

    def day(self, moment: datetime) -> str:
        """The day of a moment in the deployment's zone."""
        return moment.astimezone(self.window.zone).date().isoformat()

    def _in_index(self, stages: list[Document], *, conversions: bool) -> Query:
        named = self._conversion() if conversions else self._named
        return Analytics.Settings.name, [{"$match": {**named, "createdAt": self._moments()}}, *stages]

    def _waiting(self, days: Document) -> list[Document]:
        """One row for each user of the experiment in each delta."""
        where = {"day": days, "synthetic": self._real, **self._client}
        return [
            {"$match": {"days": {"$elemMatch": days}, "usage.variants": {"$exists": True}}},
            {"$project": {"usage.users": 0, "usage.conversations": 0, "usage.campaigns": 0, "findings": 0}},
            {"$unwind": "$usage"},
            {"$match": _below("usage", where)},
            {"$unwind": "$usage.variants"},
            {"$match": _below("usage.variants", self._named)},
        ]

    def _seen(self) -> Document:
        client = {f"{name}Id": condition for name, condition in self._client.items()}
        return {**self._named, "createdAt": self._moments(), "synthetic": self._real, **client}

    def _moments(self) -> Document:
        return {"$gte": self.window.start, "$lt": self.window.end}

    def _conversion(self) -> Document:
        return {"event": {"$eq": self.experiment.conversion_event}}


def milliseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // _MILLISECOND


def chunk_of(moment: datetime) -> datetime:
    """The beginning of the chunk of a moment."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _below(path: str, conditions: Document) -> Document:
    return {f"{path}.{name}": condition for name, condition in conditions.items()}


def _units(value: Any) -> int:
    """Of an amount that anybody may have written; 0 for what is no amount with at most 15 decimals."""
    if not isinstance(value, Decimal128 | int) or isinstance(value, bool):
        return 0
    amount = to_decimal(value)
    return 0 if not amount.is_finite() else (exact_units(amount) or 0)
