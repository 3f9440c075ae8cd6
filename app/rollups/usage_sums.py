"""What calls of one day, client and part add to the rollups, and that as the row of a delta."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Self

from models import CostSource
from models.documents import Document
from models.latency import bucket_of
from models.money import from_units
from models.rollups import (
    AMOUNTS,
    CACHED,
    CAMPAIGN_TOTALS,
    COST,
    DURATION,
    DURATIONS,
    ESTIMATED,
    HOUR_TOTALS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    REQUESTS,
    SAVED_COST,
    SUCCESSES,
    TOKENS_USED,
    TOTALS,
    UNPRICED,
    VARIANT,
    VARIANT_TOTALS,
)
from models.speeds import SKETCHES, coarse, output_speed, speed_bucket

Row = dict[str, Any]


class Columns(NamedTuple):
    """Calls with so much in common that their figures are sums over columns: priced by the token, and not cached."""

    entry: Document
    """Of one of them; what is not below is the same for all."""
    prices: tuple[int, int, int]
    """Of an input token, of an output token and of a call, in units of the last stored decimal."""
    moments: Sequence[datetime]
    users: Sequence[str]
    conversations: Sequence[str | None]
    tags: Sequence["Tags | None"]
    input_tokens: Sequence[int]
    output_tokens: Sequence[int]
    durations: Sequence[int | None]
    first_tokens: Sequence[int | None]
    costs: Sequence[int]

    def by(self, kind_of: Callable[[datetime], object]) -> "Iterator[Columns]":
        """The same calls, grouped by a kind of moment."""
        places: dict[object, list[int]] = {}
        for place, moment in enumerate(self.moments):
            places.setdefault(kind_of(moment), []).append(place)
        for of_kind in places.values():
            columns: Iterable[Any] = ([column[place] for place in of_kind] for column in self[2:])
            yield Columns(self.entry, self.prices, *columns)


class Tags(NamedTuple):
    """What few calls name: a campaign, and an experiment with one of its variants."""

    campaign: str | None
    variant: tuple[str, str] | None

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Tags | None":
        """Those of an entry, or of what it has beside its template."""
        if TAGS.isdisjoint(entry):
            return None
        experiment, variant = entry.get("experiment"), entry.get("variant")
        named = None if experiment is None or variant is None else (experiment, variant)
        return cls(entry.get("campaignId"), named)


TAGS = frozenset({"campaignId", "experiment"})


class UsageSums:
    """Lists are in the order of TOTALS, HOUR_TOTALS and so on. Amounts are integers in units of their last decimal."""

    __slots__ = (
        *("campaigns", "conversations", "first_tokens", "hours", "latency", "more", "per_second", "statuses", "totals"),
        *("users", "variants"),
    )

    def __init__(self) -> None:
        self.totals = [0] * len(TOTALS)
        self.more: dict[str, int] = {}
        self.statuses: dict[str, int] = {}
        self.hours: dict[str, list[int]] = {}
        self.latency: dict[int, int] = {}
        self.first_tokens: dict[int, int] = {}
        self.per_second: dict[int, int] = {}
        self.users: dict[str, list[int]] = {}
        self.conversations: dict[str, list[int]] = {}
        self.campaigns: dict[str, list[int]] = {}
        self.variants: dict[tuple[str, str, str], list[int]] = {}
        """By experiment, variant and user."""

    @classmethod
    def of(cls, parts: Iterable[Self]) -> Self:
        """One of several."""
        one = cls()
        for part in parts:
            add_times(one.totals, part.totals, 1)
            _add_each(one.hours, part.hours)
            _add_each(one.users, part.users)
            _add_each(one.conversations, part.conversations)
            _add_each(one.campaigns, part.campaigns)
            _add_each(one.variants, part.variants)
            one._add_counts(part, 1)
        return one

    def add_times(self, other: Self, users: Mapping[str, int], hours: Mapping[str, int]) -> None:
        """Add one call that names no conversation, campaign or experiment, so many times for each user and hour."""
        times = sum(users.values())
        add_times(self.totals, other.totals, times)
        (of_hour,) = other.hours.values()
        for hour, calls in hours.items():
            add_times(self.hours.setdefault(hour, [0] * len(HOUR_TOTALS)), of_hour, calls)
        self._add_counts(other, times)
        (of_user,) = other.users.values()
        for user, calls in users.items():
            add_times(self.users.setdefault(user, [0] * len(of_user)), of_user, calls)

    def add_columns(self, columns: Columns, hour: str) -> list[int]:
        """Add calls of one hour. Returns what they add to the totals."""
        calls, success = len(columns.users), int(columns.entry["success"])
        inputs, outputs, cost = sum(columns.input_tokens), sum(columns.output_tokens), sum(columns.costs)
        durations = [duration for duration in columns.durations if duration is not None]
        totals = [0] * len(TOTALS)
        totals[REQUESTS], totals[SUCCESSES] = calls, calls * success
        totals[INPUT_TOKENS], totals[OUTPUT_TOKENS], totals[TOKENS_USED] = inputs, outputs, inputs + outputs
        totals[DURATION], totals[DURATIONS], totals[COST] = sum(durations), len(durations), cost
        add_times(self.totals, totals, 1)
        in_hour = [calls, calls * success, inputs, outputs, cost]
        add_times(self.hours.setdefault(hour, [0] * len(HOUR_TOTALS)), in_hour, 1)
        of_input, of_output, of_call = columns.prices
        increase(self.more, "inputCost", of_input * inputs)
        increase(self.more, "outputCost", of_output * outputs)
        increase(self.more, "generationCost", of_call * calls)
        increase(self.statuses, columns.entry["status"], calls)
        for bucket, count in Counter(map(bucket_of, durations)).items():
            increase(self.latency, bucket, count)
        for value in columns.first_tokens:
            if value is not None:
                increase(self.first_tokens, speed_bucket(value), 1)
        if success:
            times = zip(columns.output_tokens, columns.durations, columns.first_tokens, strict=True)
            for tokens, duration, first_token in times:
                if (speed := output_speed(tokens, duration, first_token)) is not None:
                    increase(self.per_second, speed_bucket(speed), 1)
        self._add_subjects(columns, success)
        if any(columns.tags):
            self._add_tagged(columns, success)
        return totals

    def add_tags(self, tags: Tags, user: str, figures: Sequence[int]) -> None:
        """Add what a call names: its `figures` are in the order of CAMPAIGN_TOTALS."""
        if tags.campaign is not None:
            add_times(self.campaigns.setdefault(tags.campaign, [0] * len(CAMPAIGN_TOTALS)), figures, 1)
        if tags.variant is not None:
            requests, _, _, _, tokens, unpriced, cost, _ = figures
            sums = self.variants.setdefault((*tags.variant, user), [0] * len(VARIANT_TOTALS))
            add_times(sums, (requests, tokens, unpriced, cost), 1)

    def with_names(
        self, campaigns: Mapping[str, str], variants: Mapping[tuple[str, str, str], tuple[str, str, str]]
    ) -> "UsageSums":
        """The same under other names, several of which may be one."""
        renamed = UsageSums()
        for name in self.__slots__:
            setattr(renamed, name, getattr(self, name))
        renamed.campaigns, renamed.variants = {}, {}
        for names, mine, theirs in (
            (campaigns, renamed.campaigns, self.campaigns),
            (variants, renamed.variants, self.variants),
        ):
            each: dict[Any, list[int]] = theirs
            for name, figures in each.items():
                _add_each(mine, {names[name]: figures})
        return renamed

    def _add_counts(self, other: Self, times: int) -> None:
        for name in ("more", "statuses", "latency", "first_tokens", "per_second"):
            mine = getattr(self, name)
            for key, value in getattr(other, name).items():
                increase(mine, key, times * value)

    def _add_tagged(self, columns: Columns, success: int) -> None:
        figures = zip(
            columns.tags, columns.users, columns.input_tokens, columns.output_tokens, columns.costs, strict=True
        )
        for tags, user, inputs, outputs, cost in figures:
            if tags is not None:
                self.add_tags(tags, user, (1, success, inputs, outputs, inputs + outputs, 0, cost, 0))

    def _add_subjects(self, columns: Columns, success: int) -> None:
        users, conversations = self.users, self.conversations
        tokens = [inputs + outputs for inputs, outputs in zip(columns.input_tokens, columns.output_tokens, strict=True)]
        for name, used, cost in zip(columns.users, tokens, columns.costs, strict=True):
            if (user := users.get(name)) is None:
                users[name] = [1, success, used, cost, 0]
            else:
                user[0] += 1
                user[1] += success
                user[2] += used
                user[3] += cost
        for subject, used, cost in zip(columns.conversations, tokens, columns.costs, strict=True):
            if subject is None:
                continue
            if (conversation := conversations.get(subject)) is None:
                conversations[subject] = [1, used, cost]
            else:
                conversation[0] += 1
                conversation[1] += used
                conversation[2] += cost

    def stored(self) -> Row:
        """As the row of a delta has it."""
        tagged: Row = {}
        if self.campaigns:
            tagged["campaigns"] = [
                {"campaign": name, **named(CAMPAIGN_TOTALS, figures)} for name, figures in self.campaigns.items()
            ]
        if self.variants:
            tagged["variants"] = [
                {**dict(zip(VARIANT, names, strict=True)), **named(VARIANT_TOTALS, figures)}
                for names, figures in self.variants.items()
            ]
        return {
            **named(TOTALS, self.totals),
            **named(tuple(self.more), list(self.more.values())),
            "statuses": self.statuses,
            "latency": {str(bucket): count for bucket, count in self.latency.items()},
            "hours": {hour: named(HOUR_TOTALS, totals) for hour, totals in self.hours.items()},
            # written out, because there are nearly as many of them as calls
            "users": [_user_row(user, totals) for user, totals in self.users.items()],
            "conversations": [
                {"conversation": name, "requests": requests, "tokensUsed": tokens, "cost": from_units(cost)}
                for name, (requests, tokens, cost) in self.conversations.items()
            ],
            **tagged,
            **self._speeds(),
        }

    def _speeds(self) -> Row:
        durations: dict[int, int] = {}
        for bucket, count in self.latency.items():
            increase(durations, coarse(bucket), count)
        sketches = zip(SKETCHES, (durations, self.first_tokens, self.per_second), strict=True)
        found = {name: {str(bucket): count for bucket, count in counts.items()} for name, counts in sketches if counts}
        return {"speeds": found} if found else {}


def add_totals(totals: list[int], entry: Document, cost: int, saved: int) -> None:
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


def add_times(mine: list[int], theirs: Sequence[int], times: int) -> None:
    for place, value in enumerate(theirs):
        mine[place] += times * value


def increase(counts: dict[Any, int], name: object, value: int) -> None:
    counts[name] = counts.get(name, 0) + value


def named(names: tuple[str, ...], totals: Sequence[int]) -> Row:
    """Without what is zero. Fewer totals than names are the first ones."""
    return {
        name: from_units(value) if name in AMOUNTS else value
        for name, value in zip(names, totals, strict=False)
        if value
    }


def _add_each(mine: dict[Any, list[int]], theirs: Mapping[Any, list[int]]) -> None:
    for name, totals in theirs.items():
        if name in mine:
            add_times(mine[name], totals, 1)
        else:
            mine[name] = totals.copy()


def _user_row(user: str, totals: list[int]) -> Row:
    requests, successes, tokens, cost, saved = totals
    row = {"user": user, "requests": requests, "tokensUsed": tokens, "cost": from_units(cost)}
    if successes:
        row["successes"] = successes
    if saved:
        row["savedCost"] = from_units(saved)
    return row
