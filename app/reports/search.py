"""What begins with, or has in it, what somebody types: users, models, features, clients, conversations and calls."""

from collections.abc import Iterable
from datetime import datetime

from bson import ObjectId

from app.reports.call_lists import LAST_CHARACTER
from app.reports.queries import rollups
from app.reports.queries.rollup_rows import synthetic_of
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import Document, Reader
from app.reports.rows import Row
from models import AIUsage
from models.rollups import OTHER, USER_MONTHS

MOST_OF_A_KIND = 8
DAYS = 30
"""Of how many days, up to today, models, features, providers and clients are looked for."""


class FoundModel(Row):
    """A model, as one provider sells it."""

    provider: str
    model: str


class FoundConversation(Row):
    """A conversation of a client."""

    client_id: str
    conversation_id: str


class FoundCall(Row):
    """A call whose id was typed."""

    id: str
    user_id: str
    model: str
    created_at: datetime


class SearchReport(Row):
    """`GET /api/admin/ai/search`: at most eight of each kind."""

    query: str
    users: list[str]
    """Whose ids begin with it, in their order; so do conversations."""
    models: list[FoundModel]
    """That have it in their name, in either case, as do providers, features and clients; by requests."""
    providers: list[str]
    features: list[str]
    clients: list[str]
    conversations: list[FoundConversation]
    calls: list[FoundCall]
    """By their whole id."""
    synthetic: Synthetic
    generated_at: datetime


async def search(read: Reader, text: str, query: ReportQuery, generated_at: datetime) -> SearchReport:
    """What `text` finds: names of the window of the query; users, conversations and calls of any time."""
    parts = sorted(await read.cells(rollups.by_part(query)), key=lambda row: -row["requests"])

    def named(values: Iterable[str]) -> list[str]:
        return _first(value for value in values if text.casefold() in value.casefold() and value != OTHER)

    models = dict.fromkeys((row["_id"]["provider"], row["_id"]["model"]) for row in parts)
    matching = set(named({model: None for _, model in models}))
    clients = [row["_id"] for row in await read.cells(rollups.clients(query))]
    own = query.filters.client_id
    return SearchReport(
        query=text,
        users=await _users(read, text, query),
        models=[FoundModel(provider=seller, model=model) for seller, model in models if model in matching][
            :MOST_OF_A_KIND
        ],
        providers=named(row["_id"]["provider"] for row in parts),
        features=named(row["_id"]["feature"] for row in parts),
        clients=named(client for client in clients if own in {None, client}),
        conversations=await _conversations(read, text, query),
        calls=await _calls(read, text, query),
        synthetic=query.synthetic,
        generated_at=generated_at,
    )


def _first(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))[:MOST_OF_A_KIND]


async def _users(read: Reader, text: str, query: ReportQuery) -> list[str]:
    """One step of an index for each user, however many there are; who is new is known by the whole id at once."""
    of_query: Document = {"_id.synthetic": {"$in": synthetic_of(query.synthetic)}}
    if query.filters.client_id is not None:
        of_query["_id.client"] = {"$eq": query.filters.client_id}
    found: list[str] = []
    after: Document = {"$gte": text, "$lt": text + LAST_CHARACTER}
    while len(found) < MOST_OF_A_KIND:
        next_one: list[Document] = [
            {"$match": {"_id.user": after} | of_query},
            {"$sort": {"_id.user": 1}},
            {"$limit": 1},
            {"$project": {"_id": "$_id.user"}},
        ]
        if not (rows := await read.cells((USER_MONTHS, next_one))):
            break
        found.append(rows[0]["_id"])
        after = {"$gt": found[-1], "$lt": text + LAST_CHARACTER}
    if text not in found and await _entries(read, query, {"userId": {"$eq": text}}, limit=1):
        found.insert(0, text)
    return found[:MOST_OF_A_KIND]


async def _conversations(read: Reader, text: str, query: ReportQuery) -> list[FoundConversation]:
    found: list[FoundConversation] = []
    after: Document = {"$gte": text, "$lt": text + LAST_CHARACTER}
    while len(found) < MOST_OF_A_KIND:
        rows = await _entries(read, query, {"conversationId": {**after, "$exists": True}}, limit=1, by="conversationId")
        if not rows:
            break
        name = rows[0]["conversationId"]
        found.append(FoundConversation(client_id=rows[0]["clientId"], conversation_id=name))
        after = {"$gt": name, "$lt": text + LAST_CHARACTER}
    return found


async def _calls(read: Reader, text: str, query: ReportQuery) -> list[FoundCall]:
    if not ObjectId.is_valid(text):
        return []
    return [
        FoundCall(id=str(row["_id"]), user_id=row["userId"], model=row["aiModel"], created_at=row["createdAt"])
        for row in await _entries(read, query, {"_id": ObjectId(text)}, limit=1)
    ]


async def _entries(
    read: Reader, query: ReportQuery, condition: Document, *, limit: int, by: str | None = None
) -> list[Document]:
    wanted = condition | query.filters.conditions() | {"synthetic": {"$in": synthetic_of(query.synthetic)}}
    order: list[Document] = [] if by is None else [{"$sort": {by: 1}}]
    fields = dict.fromkeys(("userId", "aiModel", "createdAt", "clientId", "conversationId"), 1)
    return await read.cells(
        (AIUsage.Settings.name, [{"$match": wanted}, *order, {"$limit": limit}, {"$project": fields}])
    )
