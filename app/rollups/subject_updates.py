"""From the users, conversations and variants of deltas to updates of cells, made by MongoDB itself.

There are nearly as many of these as of calls. So the server sums them and produces the very statements that its
`update` command accepts; this process passes them back without looking inside.
"""

from typing import Any

from bson import ObjectId

from models.rollups import CONVERSATION_TOTALS, CORRECTS, MERGE, USER_TOTALS, VARIANT, VARIANT_TOTALS

Stage = dict[str, Any]

_USAGE_KEY = {"day": "$usage.day", "client": "$usage.client", "synthetic": "$usage.synthetic"}


def user_updates(deltas: list[ObjectId]) -> list[Stage]:
    """Statements that add to the cells of users: the totals, over all and by part."""
    by_part = {"_id": {**_USAGE_KEY, "user": "$usage.users.user", "part": "$usage.part"}}
    figures = [{"k": {"$concat": ["parts.", "$_id.part", f".{name}"]}, "v": f"${name}"} for name in USER_TOTALS]
    by_user = {name: f"$_id.{name}" for name in ("day", "client", "synthetic", "user")}
    return [
        *_unwound(deltas, "users"),
        {"$group": {**by_part, **_sums("users", USER_TOTALS)}},
        {
            "$group": {
                "_id": by_user,
                "parts": {"$mergeObjects": {"$arrayToObject": _without_zeros(figures)}},
                **{name: {"$sum": f"${name}"} for name in USER_TOTALS},
            }
        },
        _statement({"$mergeObjects": ["$parts", {"$arrayToObject": _without_zeros(_figures(USER_TOTALS))}]}),
    ]


def conversation_updates(deltas: list[ObjectId]) -> list[Stage]:
    """Statements that add to the cells of conversations."""
    key = {**_USAGE_KEY, "conversation": "$usage.conversations.conversation"}
    return [
        *_unwound(deltas, "conversations"),
        {"$group": {"_id": key, **_sums("conversations", CONVERSATION_TOTALS)}},
        _statement({"$arrayToObject": _without_zeros(_figures(CONVERSATION_TOTALS))}),
    ]


def variant_updates(deltas: list[ObjectId], merge: int) -> list[Stage]:
    """Statements that add to the cells of experiments' variants, and say which `merge` did."""
    key = {**_USAGE_KEY, **{name: f"$usage.variants.{name}" for name in VARIANT}}
    return [
        *_unwound(deltas, "variants"),
        {"$group": {"_id": key, **_sums("variants", VARIANT_TOTALS)}},
        _statement({"$arrayToObject": _without_zeros(_figures(VARIANT_TOTALS))}, most={MERGE: merge}),
    ]


def names_of_users() -> Stage:
    """A projection: `usage` with day, client, synthetic, part and only the names of the `users`."""
    where = {name: f"$$this.{name}" for name in ("day", "client", "synthetic", "part")}
    return {"usage": {"$map": {"input": "$usage", "in": {**where, "users": "$$this.users.user"}}}}


def past_requests(deltas: list[ObjectId], today: str) -> list[Stage]:
    """`requests` by day, client, synthetic and user, of the days before `today`."""
    return [
        *_unwound(deltas, "users"),
        {"$match": {"usage.day": {"$lt": today}}},
        {
            "$group": {
                "_id": {**_USAGE_KEY, "user": "$usage.users.user"},
                "requests": {"$sum": "$usage.users.requests"},
            }
        },
    ]


def corrected_days(deltas: list[ObjectId]) -> list[Stage]:
    """The days of corrections."""
    return [{"$match": {"_id": {"$in": deltas}, **CORRECTS}}, {"$unwind": "$days"}, {"$group": {"_id": "$days"}}]


def _unwound(deltas: list[ObjectId], subject: str) -> list[Stage]:
    return [{"$match": {"_id": {"$in": deltas}}}, {"$unwind": "$usage"}, {"$unwind": f"$usage.{subject}"}]


def _sums(subject: str, figures: tuple[str, ...]) -> Stage:
    return {name: {"$sum": f"$usage.{subject}.{name}"} for name in figures}


def _figures(names: tuple[str, ...]) -> list[Stage]:
    return [{"k": name, "v": f"${name}"} for name in names]


def _without_zeros(figures: list[Stage]) -> Stage:
    return {"$filter": {"input": figures, "cond": {"$ne": ["$$this.v", 0]}}}


def _statement(increments: Stage, most: dict[str, int] | None = None) -> Stage:
    """`{q: {_id: ...}, u: {$inc: ...}, upsert: true}`; with `most`, what is raised to a number, where it is less."""
    operators: list[Stage] = [{"k": {"$literal": "$inc"}, "v": increments}]
    if most is not None:
        operators.append({"k": {"$literal": "$max"}, "v": {"$literal": most}})
    update = {"$arrayToObject": [operators]}
    return {"$project": {"_id": 0, "q": {"_id": "$_id"}, "u": update, "upsert": {"$literal": True}}}
