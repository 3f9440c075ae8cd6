"""The shape of the rollups: additive cells by day, and the deltas that wait to be merged into them.

A delta holds what one batch adds: `usage` rows by client, each with its `users` and `conversations`, and `findings`.
Cells hold the same figures by scope, which is one client or everyone, or by client. A cell's `_id` is its key; figures
that are zero are absent.
"""

from typing import Any
from urllib.parse import unquote

from pymongo import ASCENDING, DESCENDING, IndexModel

from models.base import camel
from models.token_usage import PART_TOKENS

DELTAS = "rollup_deltas"
DAYS = "rollup_days"
"""Day x scope x synthetic: every figure, by hour, with one latency sketch."""
USAGE = "rollup_usage"
"""Day x scope x synthetic x provider x model x service type x feature: every figure, by hour."""
LATENCY = "rollup_latency"
"""Day x scope x synthetic x provider x service type: a latency sketch."""
SPEEDS = "rollup_speeds"
"""Day x scope x synthetic x part: the sketches of `models.speeds`; of a part, of a model over all features, with null
for the feature, and of a feature over all models, with null for all else.
"""
USERS = "rollup_users"
"""Day x client x synthetic x user: the totals, over all and by part."""
USER_MONTHS = "rollup_user_months"
"""Month x client x synthetic x user: on which days, over all and by part, as bits; bit 0 is the first of the month."""
ACTIVE_USERS = "rollup_active_users"
"""Day or month x scope x synthetic: how many users."""
CONVERSATIONS = "rollup_conversations"
"""Day x client x synthetic x conversation."""
CAMPAIGNS = "rollup_campaigns"
"""Day x client x synthetic x campaign: of calls that name one, the totals, over all and by part."""
VARIANTS = "rollup_experiments"
"""Day x client x synthetic x experiment x variant x user: of the calls that name an experiment."""
FINDINGS = "rollup_findings"
"""Day x scope x synthetic x kind x names: what data quality is about."""
TRAILING = "rollup_trailing"
"""Window x scope x synthetic x user: requests from the window's first day up to yesterday."""
USER_SHEETS = "rollup_user_sheets"
"""Build x day x scope x synthetic x part: what all users did on a day that is over, as columns: `models.user_sheets`.
With an empty scope: that the day has its sheets.
"""
USER_NUMBERS = "rollup_user_numbers"
"""Build x user: the number by which sheets name the user."""
USER_DAYS = "rollup_user_days"
"""Build x day x user: the rows of a busy user on a day that is over: `models.user_days`. Without a user: that the day
has those of all.
"""
NAMES = "rollup_names"
"""Client: the names that have cells of their own."""
SET_ASIDE = "rollup_deltas_set_aside"
"""Deltas that could not be read: of each, the `fields` that are damaged, and its `days`; empty where it has none."""
STATE = "rollup_state"
"""One document, `rollups`: zone and completeness; and one for each lease, such as `compactor`."""

ERASURES = "erasures"
"""Running erasures: the user, the pseudonym, and the conversations that have been renamed. Empty otherwise."""

ROLLUPS = (
    DELTAS,
    DAYS,
    USAGE,
    LATENCY,
    SPEEDS,
    USERS,
    USER_MONTHS,
    ACTIVE_USERS,
    CONVERSATIONS,
    CAMPAIGNS,
    VARIANTS,
    FINDINGS,
    TRAILING,
    USER_SHEETS,
    USER_NUMBERS,
    USER_DAYS,
    NAMES,
    SET_ASIDE,
    STATE,
)
"""Every collection of the rollups."""

MERGED = {"merged": True}
"""Matches a delta whose figures are in the cells, but not yet its users and conversations."""
NOT_MERGED = {"merged": {"$exists": False}}


TAGGED = {"tagged": True}
"""Matches a delta whose writer counted by campaign and experiment. Those of releases up to 0.5.0 did not."""
NOT_TAGGED = {"tagged": {"$exists": False}}
TIMED = {"timed": True}
"""Matches a delta whose writer counted speeds by model and feature. Those of releases up to 0.5.0 did not."""
NOT_TIMED = {"timed": {"$exists": False}}
MARKS = ("tagged", "timed")
CHANGED = {"merges": 1, **dict.fromkeys(MARKS, 1)}
"""What every change of cells adds to the state, whose `tagged` counts those that knew campaigns and experiments, and
whose `timed` those that knew speeds: the cells of these are whole where it equals `merges`.
"""


def is_tagged(state: dict[str, Any]) -> bool:
    """Whether the cells of campaigns and experiments, with the deltas that wait, hold every call."""
    return bool(state.get("tagged") == state["merges"])


def is_timed(state: dict[str, Any]) -> bool:
    """Whether the cells of speeds do, likewise."""
    return bool(state.get("timed") == state["merges"])


CORRECTS = {"corrects": True}
"""Matches a delta of which calls of its days are changed or deleted. It may not name every user of them."""


def in_other_zone(timezone: str) -> dict[str, Any]:
    """Matches a delta that counts its days in another zone. One without a zone is damaged."""
    return {"timezone": {"$type": "string", "$ne": timezone}}


EVERYONE = "*"
"""The scope of all clients together. No client may have this name."""
OTHER = "other"
"""Where names beyond a client's cap are counted."""

SHEET_PART = ("provider", "model", "feature")
"""The dimensions of users' sheets; all are null in those over every part."""
PART = ("provider", "model", "serviceType", "feature")
"""The dimensions of usage."""
VARIANT = ("experiment", "variant", "user")
"""Those of experiments."""

TOTALS = (
    "requests",
    "successes",
    "cached",
    "inputTokens",
    "outputTokens",
    "tokensUsed",
    "unpriced",
    "estimated",
    "duration",
    "durations",
    "cost",
    "savedCost",
)
"""What every report of calls sums: `duration` in ms over `durations` calls that report one, costs in USD."""
(
    REQUESTS,
    SUCCESSES,
    CACHED,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    TOKENS_USED,
    UNPRICED,
    ESTIMATED,
    DURATION,
    DURATIONS,
    COST,
    SAVED_COST,
) = range(len(TOTALS))
"""The position of each in a list of totals."""
OPTIONAL_COUNTS = (*(camel(name) for name in PART_TOKENS), "images", "characters")
"""Counts that most calls do not have: the kinds of tokens that are parts of others, and media."""
OPTIONAL_AMOUNTS = ("inputCost", "outputCost", "generationCost", "videoSeconds", "audioSeconds")
AMOUNTS = frozenset({"cost", "savedCost", *OPTIONAL_AMOUNTS})
"""Figures that are Decimal128, all with 15 decimals; every other one is an integer."""
USAGE_TOTALS = (*TOTALS, *OPTIONAL_COUNTS, *OPTIONAL_AMOUNTS)
"""What usage cells sum, beside `statuses` by status, and `hours`."""
HOUR_TOTALS = ("requests", "successes", "inputTokens", "outputTokens", "cost")
"""What usage cells sum by hour of the day."""
USER_TOTALS = ("requests", "successes", "tokensUsed", "cost", "savedCost")
"""What a user's cell sums."""
CONVERSATION_TOTALS = ("requests", "tokensUsed", "cost")
CAMPAIGN_TOTALS = (
    *("requests", "successes", "inputTokens", "outputTokens", "tokensUsed", "unpriced", "cost", "savedCost"),
)
MERGE = "merge"
"""In cells of experiments: the number of the merge that changed them last, which is no figure. Who has seen all up to
one reads again what is above it; what changes them otherwise raises the `epoch`, or what was `filled`.
"""
VARIANT_TOTALS = ("requests", "tokensUsed", "unpriced", "cost")


class Finding:
    """Kinds of findings, as stored."""

    UNPRICED = "unpriced"
    """`name` is the code of the reason; empty where none was kept."""
    ESTIMATED = "estimated"
    IMPOSSIBLE = "impossible"
    """`name` is the provider that was reported."""
    UNMAPPED = "unmapped"
    """`name` is the content type."""
    UNREADABLE = "unreadable"
    AGGREGATED = "aggregated"
    """Entries that are sums of many calls."""
    FOLDED = "folded"
    """Calls with a name beyond the client's cap; `name` says what it names."""


CAPS = {"provider": 100, "model": 1_000, "feature": 500, "name": 500, "campaign": 1_000, "variant": 2_000}
"""How many names a client may have cells for, by dimension; `name` is that of findings, and a variant is named with its
experiment. Later ones are `other`.
"""

TRAILING_DAYS = (7, 30, 60, 90)
"""Windows up to today whose rankings of users are kept."""

# characters that a field name in MongoDB must not contain, and our separator
_ESCAPES = str.maketrans({"%": "%25", "|": "%7C", ".": "%2E", "$": "%24"})


def escaped(name: str) -> str:
    """`name` as part of a field's name."""
    # nearly every name passes the test, which takes a fraction of the translation
    return name.translate(_ESCAPES) if "%" in name or "|" in name or "." in name or "$" in name else name


def unescaped(name: str) -> str:
    """The reverse of `escaped`."""
    return unquote(name) if "%" in name else name


def joined(*names: str | bool) -> str:
    """Several names as one string, unambiguous whatever they contain, and valid as a field name."""
    return "|".join([escaped(str(name)) for name in names])


def _index(*fields: str, name: str = "window") -> IndexModel:
    return IndexModel([(f.removeprefix("-"), DESCENDING if f[0] == "-" else ASCENDING) for f in fields], name=name)


_WINDOW = _index("_id.scope", "_id.synthetic", "_id.day")
_DAYS = _index("_id.day", "_id.synthetic", "_id.client")
INDEXES = {
    DAYS: [_WINDOW],
    USAGE: [_WINDOW],
    LATENCY: [_WINDOW],
    SPEEDS: [_WINDOW],
    FINDINGS: [_WINDOW],
    USERS: [
        # no figures: each merge would move the entries of all its users, which costs as much again as the cells
        _index("_id.day", "_id.synthetic", "_id.client", "_id.user", name="day"),
        _index("_id.user", "_id.day", name="user"),
    ],
    USER_MONTHS: [_index("_id.month", "_id.synthetic", "_id.client"), _index("_id.user", "_id.month", name="user")],
    CONVERSATIONS: [_DAYS],
    CAMPAIGNS: [
        _index("_id.campaign", "_id.synthetic", "_id.day", name="campaign"),
        _index("_id.day", "_id.synthetic", name="window"),
    ],
    VARIANTS: [
        _index("_id.experiment", "_id.synthetic", "_id.day", name="experiment"),
        _index("_id.experiment", "merge", name="merge"),
        _index("_id.day", name="day"),
        _index("_id.user", name="user"),
    ],
    TRAILING: [_index("_id.build", "_id.scope", "_id.synthetic", "-requests", name="ranking")],
    USER_SHEETS: [
        _index("_id.build", "_id.scope", "_id.synthetic", "_id.day", *(f"_id.{name}" for name in SHEET_PART)),
        # one day is taken away when a late call is merged
        _index("_id.day", name="day"),
    ],
    USER_NUMBERS: [_index("_id.build", "-number", name="number"), _index("_id.user", name="user")],
    USER_DAYS: [_index("_id.user", "_id.day", name="user")],
}
"""The indexes of the cells. All other access is by `_id`."""
RETIRED_INDEXES = {USERS: ["ranking"]}
"""Those of earlier releases that nothing reads any more."""
