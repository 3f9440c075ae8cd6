"""What stored documents look like, as JSON schemas that MongoDB itself checks: how damaged ones are found.

They say what readers rely on, and no more: other fields may be there. A document that does not match its schema was
changed by hand, or by a disk; nothing of ours writes such.
"""

from collections.abc import Iterable
from typing import Any

from bson import Decimal128

from models import user_sheets as sheets
from models.ai_usage import AIUsage, CallStatus, CostSource, ServiceType
from models.analytics import AI_GENERATION, Analytics
from models.base import camel
from models.fields import MAX_COUNT, MAX_MILLISECONDS
from models.refusals import KEY, LATE, REFUSALS
from models.rollups import (
    ACTIVE_USERS,
    AMOUNTS,
    CAMPAIGN_TOTALS,
    CAMPAIGNS,
    CAPS,
    CONVERSATION_TOTALS,
    CONVERSATIONS,
    DAYS,
    DELTAS,
    FINDINGS,
    HOUR_TOTALS,
    LATENCY,
    MARKS,
    MERGE,
    NAMES,
    OPTIONAL_AMOUNTS,
    OPTIONAL_COUNTS,
    PART,
    SHEET_PART,
    SPEEDS,
    STATE,
    TOTALS,
    TRAILING,
    USAGE,
    USAGE_TOTALS,
    USER_DAYS,
    USER_MONTHS,
    USER_NUMBERS,
    USER_SHEETS,
    USER_TOTALS,
    USERS,
    VARIANT,
    VARIANT_TOTALS,
    VARIANTS,
)
from models.speeds import SKETCHES

Schema = dict[str, Any]

MOST = 2**53
"""Of a sum: far over what a day can count, and still exact in every reader."""
MOST_TOKENS = 2 * MAX_COUNT
"""Of one call: input and output."""

_TEXT: Schema = {"bsonType": "string"}
_FLAG: Schema = {"bsonType": "bool"}
_DATE: Schema = {"bsonType": "date"}
_BINARY: Schema = {"bsonType": "binData"}
_DOLLARS = Decimal128("1E+19")
_AMOUNT: Schema = {"bsonType": "decimal", "minimum": Decimal128("-1E+19"), "maximum": _DOLLARS}
"""Neither infinite nor no number."""
_MONTH: Schema = {"bsonType": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$"}
_DAY: Schema = {
    "bsonType": "string",
    "pattern": "^[0-9]{4}-("
    "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-9]))$",
}


def _count(most: int = MOST, least: int | None = None) -> Schema:
    return {"bsonType": ["int", "long"], "minimum": -most if least is None else least, "maximum": most}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "bsonType": [*_types(schema), "null"]}


def _types(schema: Schema) -> list[str]:
    types = schema["bsonType"]
    return [types] if isinstance(types, str) else types


def _one_of(values: Iterable[str]) -> Schema:
    return {"enum": [str(value) for value in values]}


def _object(properties: Schema, *, optional: Iterable[str] = ()) -> Schema:
    """An object that has all of these properties but the optional ones."""
    required = sorted(properties.keys() - set(optional))
    return {"bsonType": "object", "properties": properties, **({"required": required} if required else {})}


def _all_optional(properties: Schema) -> Schema:
    return _object(properties, optional=properties)


def _map(of: Schema, names: str = "") -> Schema:
    """An object with values of one kind, under names that match a pattern."""
    if not names:
        return {"bsonType": "object", "additionalProperties": of}
    return {"bsonType": "object", "patternProperties": {names: of}, "additionalProperties": False}


def _list(of: Schema) -> Schema:
    return {"bsonType": "array", "items": of}


def _figures(names: Iterable[str]) -> Schema:
    return {name: _AMOUNT if name in AMOUNTS else _count() for name in names}


_HOURS = _map(_all_optional(_figures(HOUR_TOTALS)), "^(1?[0-9]|2[0-3])$")
_SKETCH = _map(_count(), "^(-1|[0-9]{1,4})$")
_WHERE = {"day": _DAY, "scope": _TEXT, "synthetic": _FLAG}
_OF_CLIENT = {"day": _DAY, "client": _TEXT, "synthetic": _FLAG}
_SERVICE = _one_of(ServiceType)
_PART = {**dict.fromkeys(PART, _TEXT), "serviceType": _SERVICE}
_FINDING = {"kind": _TEXT, "provider": _TEXT, "model": _TEXT, "name": _TEXT}
_COUNTED = {**_figures(USAGE_TOTALS), "statuses": _map(_count()), "hours": _HOURS}


def _cell(key: Schema, figures: Schema, *, needs: Iterable[str] = ()) -> Schema:
    """Figures that are zero are absent."""
    return _object({"_id": _object(key), **figures}, optional=figures.keys() - set(needs))


def _subjects(figures: Iterable[str], *names: str) -> Schema:
    of_one = _figures(figures)
    return _list(_object({**dict.fromkeys(names, _TEXT), **of_one}, optional=of_one))


def _delta() -> Schema:
    usage = _object(
        {
            **_OF_CLIENT,
            **_PART,
            "part": _TEXT,
            **_COUNTED,
            "latency": _SKETCH,
            "users": _subjects(USER_TOTALS, "user"),
            "conversations": _subjects(CONVERSATION_TOTALS, "conversation"),
            "campaigns": _subjects(CAMPAIGN_TOTALS, "campaign"),
            "variants": _subjects(VARIANT_TOTALS, *VARIANT),
            "speeds": _all_optional(dict.fromkeys(SKETCHES, _SKETCH)),
        },
        optional=(*USAGE_TOTALS, "campaigns", "variants", "speeds"),
    )
    findings = _object({**_OF_CLIENT, **_FINDING, **_figures(TOTALS)}, optional=TOTALS)
    marks = {mark: {"enum": [True]} for mark in ("merged", *MARKS)}
    return _object(
        {
            "at": _DATE,
            "calls": _count(least=0),
            "timezone": {**_TEXT, "minLength": 1},
            "days": {**_list(_DAY), "minItems": 1},
            "usage": _list(usage),
            "findings": _list(findings),
            **marks,
        },
        optional=marks,
    )


def _entry() -> Schema:
    tokens, count = _count(MOST_TOKENS, 0), _or_null(_count(MAX_COUNT, 0))
    texts = ("conversation_id", "endpoint", "error_message", "price_version", "unpriced_reason", "cost_basis", "size")
    more_texts = ("quality", "service_tier", "region", "ip_address", "user_agent", "campaign_id", "estimated_usage")
    whose = ("reservation_id", "key_id", "upstream", "experiment", "variant")
    optional = {
        **dict.fromkeys((camel(name) for name in (*texts, *more_texts, *whose)), _or_null(_TEXT)),
        **dict.fromkeys(OPTIONAL_COUNTS, count),
        **dict.fromkeys(OPTIONAL_AMOUNTS, _or_null(_AMOUNT)),
        **dict.fromkeys(("requestDuration", "timeToFirstToken"), _or_null(_count(MAX_MILLISECONDS, 0))),
        **dict.fromkeys(("unreadableUsage", "unmapped", "batch", "aggregated"), _FLAG),
        "aggregatedRequests": count,
        "attempts": _list(_attempt()),
        "reportedProvider": _TEXT,
        "metadata": {"bsonType": ["object", "null"]},
    }
    names = ("userId", "clientId", "contentType", "feature", "provider", "aiModel")
    return _object(
        {
            "_id": {"bsonType": "objectId"},
            **dict.fromkeys(names, _TEXT),
            "serviceType": _SERVICE,
            "status": _one_of(CallStatus),
            "costSource": _one_of(CostSource),
            **dict.fromkeys(("success", "cached", "synthetic"), _FLAG),
            **dict.fromkeys(("inputTokens", "outputTokens", "tokensUsed"), tokens),
            "cost": _or_null(_AMOUNT),
            "savedCost": _AMOUNT,
            "createdAt": _DATE,
            "recordedAt": _DATE,
            **optional,
        },
        optional=optional,
    )


def _attempt() -> Schema:
    optional = {"status": _count(599, 100), "reason": _TEXT}
    tried = {"upstream": _TEXT, "model": _TEXT, "milliseconds": _count(MAX_MILLISECONDS, 0)}
    return _object({**tried, **optional}, optional=optional)


def _event() -> Schema:
    properties = {
        **dict.fromkeys(("contentType", "model", "provider", "feature"), _TEXT),
        **dict.fromkeys(("cached", "success"), _FLAG),
        "cost": _or_null(_AMOUNT),
    }
    known = {"clerkUserId": _or_null(_TEXT), "synthetic": _FLAG}
    of_call = {"_id": {"bsonType": "objectId"}, "userId": _TEXT, "clientId": _TEXT, "createdAt": _DATE}
    event = {"event": _one_of([AI_GENERATION])}
    return _object({**of_call, **event, "properties": _object(properties), **known}, optional=known)


def _state() -> Schema:
    kept = _object({"days": _count(), "first": _DAY, "last": _DAY, "build": _TEXT})
    counts = ("heeded", "sheets", "figures", *MARKS, "filled")
    optional = {"lastCommit": _DATE, "wholeFrom": _DAY, **dict.fromkeys(counts, _count(2**62))}
    return _object(
        {
            "timezone": {**_TEXT, "minLength": 1},
            "complete": _FLAG,
            **dict.fromkeys(("merges", "late", "epoch"), _count(2**62)),
            "today": _DAY,
            "trailing": _list(kept),
            **optional,
        },
        optional=optional,
    )


_USER_ROW = {"day": _DAY, "client": _TEXT, "synthetic": _FLAG, **_PART, **_figures(TOTALS), "latency": _SKETCH}
_SHEET = {"build": _count(2**62), **_WHERE, **dict.fromkeys(SHEET_PART, _or_null(_TEXT))}
_COLUMNS = (sheets.USERS, sheets.NUMBERS, *(column for columns in sheets.COLUMNS.values() for column in columns))
_ARRIVALS = _object({"_id": _object(dict.fromkeys(KEY, _TEXT)), "calls": _count(), "last": _DATE})
SHAPES: dict[str, Schema] = {
    DAYS: _cell(_WHERE, {**_COUNTED, "latency": _SKETCH}),
    USAGE: _cell({**_WHERE, **_PART}, _COUNTED),
    LATENCY: _cell({**_WHERE, "provider": _TEXT, "serviceType": _SERVICE}, {"latency": _SKETCH}),
    SPEEDS: _cell(
        {
            **_WHERE,
            **{name: _or_null(of) for name, of in _PART.items() if name != "serviceType"},
            "serviceType": {"enum": [None, *_SERVICE["enum"]]},
        },
        dict.fromkeys(SKETCHES, _SKETCH),
    ),
    FINDINGS: _cell({**_WHERE, **_FINDING}, _figures(TOTALS)),
    USERS: _cell(
        {**_OF_CLIENT, "user": _TEXT},
        {**_figures(USER_TOTALS), "parts": _map(_all_optional(_figures(USER_TOTALS)))},
    ),
    USER_MONTHS: _cell(
        {"month": _MONTH, "client": _TEXT, "synthetic": _FLAG, "user": _TEXT},
        {"days": _count(2**31 - 1, 0), "parts": _map(_count(2**31 - 1, 0))},
        needs=("days",),
    ),
    ACTIVE_USERS: _cell(
        {"period": {"anyOf": [_DAY, _MONTH]}, "scope": _TEXT, "synthetic": _FLAG}, {"users": _count()}, needs=("users",)
    ),
    CONVERSATIONS: _cell({**_OF_CLIENT, "conversation": _TEXT}, _figures(CONVERSATION_TOTALS)),
    CAMPAIGNS: _cell(
        {**_OF_CLIENT, "campaign": _TEXT},
        {**_figures(CAMPAIGN_TOTALS), "parts": _map(_all_optional(_figures(CAMPAIGN_TOTALS)))},
    ),
    VARIANTS: _cell(
        {**_OF_CLIENT, **dict.fromkeys(VARIANT, _TEXT)}, {**_figures(VARIANT_TOTALS), MERGE: _count(2**62, 0)}
    ),
    TRAILING: _cell(
        {"build": _TEXT, "scope": _TEXT, "synthetic": _FLAG, "user": _TEXT},
        {"requests": _count(), "last": _DAY},
        needs=("requests", "last"),
    ),
    USER_SHEETS: _object({"_id": _object(_SHEET), **dict.fromkeys(_COLUMNS, _BINARY)}),
    USER_NUMBERS: _object({"_id": _object({"build": _count(2**62), "user": _TEXT}), "number": _count(2**32, 0)}),
    USER_DAYS: _object(
        {
            "_id": _object({"build": _count(2**62), "day": _DAY, "user": _TEXT}),
            "usage": _list(_object({**_USER_ROW, "statuses": _map(_count()), "hours": _HOURS}, optional=TOTALS)),
        }
    ),
    NAMES: _object({"_id": _TEXT, **dict.fromkeys(CAPS, _list(_TEXT))}, optional=CAPS),
    DELTAS: _delta(),
    STATE: _state(),
    REFUSALS: _ARRIVALS,
    LATE: _ARRIVALS,
    "versions": _object({"version": _count(least=0), "table": _TEXT}, optional=["table"]),
    AIUsage.Settings.name: _entry(),
    Analytics.Settings.name: _event(),
}
"""By collection. That of the state is of its document `rollups`; that of events is of those of AI calls; those of
sheets and users' days are not of the marks of days that are done.
"""

ONLY: dict[str, dict[str, Any]] = {
    STATE: {"_id": "rollups"},
    "versions": {"_id": "prices"},
    Analytics.Settings.name: {"event": AI_GENERATION},
    USER_SHEETS: {"_id.scope": {"$ne": ""}},
    USER_DAYS: {"_id.user": {"$ne": None}},
}
"""To which documents of a collection its shape applies; others have none."""


def damaged(collection: str) -> dict[str, Any]:
    """A condition that the damaged documents of a collection meet."""
    return {**ONLY.get(collection, {}), "$nor": [{"$jsonSchema": SHAPES[collection]}]}


def damaged_in(collection: str) -> dict[str, dict[str, Any]]:
    """By field: the condition that documents meet whose damage is there."""
    shape = SHAPES[collection]
    found = {}
    for name, of_field in shape["properties"].items():
        alone = {"properties": {name: of_field}, **({"required": [name]} if name in shape["required"] else {})}
        found[name] = {"$nor": [{"$jsonSchema": alone}]}
    return found
