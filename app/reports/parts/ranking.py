"""The users with the most requests, without adding up the days of every user.

For the usual windows up to today there are trailing totals up to yesterday, sorted by requests. With the users of
today and of the deltas that makes three sorted lists. As in the threshold algorithm (Fagin, Lotem, Naor: "Optimal
aggregation algorithms for middleware", PODS 2001) the heads of the lists are read, and every user in them is added up.
A user in none of them has at most the sum of what the lists go on with: once that is less than the last of the ranking,
the ranking is exact. Other windows, filters and orders are added up from the sheets of users' days.
"""

from collections import Counter
from collections.abc import Iterable
from heapq import nlargest
from itertools import islice
from typing import NamedTuple

from app.reports.parts.figures import summed
from app.reports.parts.user_sheets import UserSheets
from app.reports.queries import rollups
from app.reports.queries.rollup_rows import Query
from app.reports.queries.stages import Stage
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import Document, Documents, Reader
from app.reports.windows import DAY
from models.money import from_units
from models.rollups import EVERYONE, TRAILING, USER_TOTALS

FIRST_DEPTH = 100
DEEPER = 4
DEEPEST = 6_400

Requests = dict[str, int]
NOTHING = from_units(0)


class Ranking(NamedTuple):
    """A page of users: `limit` after the first `skip`, by one figure or their last day, and then by name."""

    order: str = "requests"
    descending: bool = True
    skip: int = 0
    limit: int = 20


async def ranked_users(
    read: Reader, query: ReportQuery, state: Document, sheets: UserSheets, ranking: Ranking
) -> Documents:
    """The users of a page, with their totals."""
    names = await _names(read, query, state, sheets, ranking)
    if names is None:
        order, descending, skip, limit = ranking
        every_cell = rollups.ranked_users(query, order, descending=descending, skip=skip, limit=limit)
        return await read.cells(every_cell)
    rows: dict[str, Documents] = {name: [] for name in names}
    for row in await read.cells(rollups.merged_users(query, names)):
        rows[row["_id"]].append(row)
    for row in await sheets.waiting(query):
        if (of_user := rows.get(row["_id"]["user"])) is not None:
            of_user.append({**row, "lastDay": row["_id"]["day"]})
    # a purge deletes cells that are empty, of which others may be kept in mind until the next merge
    return [_user(name, of_user) for name, of_user in rows.items() if of_user]


def _user(name: str, rows: Documents) -> Document:
    # what is nothing looks as it does in sums of MongoDB's, wherever a ranking comes from
    totals = {figure: value if value != NOTHING else 0 for figure, value in summed(rows, USER_TOTALS).items()}
    return {"_id": name, **totals, "lastDay": max(row["lastDay"] for row in rows)}


async def _names(
    read: Reader, query: ReportQuery, state: Document, sheets: UserSheets, ranking: Ranking
) -> list[str] | None:
    order, descending, skip, limit = ranking
    if order == "requests" and descending and (build := _trailing(query, state)) is not None:
        names = await _by_threshold(read, query, build, sheets, skip + limit)
        if names is not None:
            return names[skip:]
    return await sheets.ranked(query, order, descending=descending, skip=skip, limit=limit)


def _trailing(query: ReportQuery, state: Document) -> str | None:
    """The trailing totals of the days before the window's last one."""
    if query.filters.any_part() or query.synthetic is Synthetic.INCLUDE:
        return None
    window = query.window
    wanted = window.first.isoformat(), (window.last - DAY).isoformat()
    for kept in state["trailing"]:
        if (kept["first"], kept["last"]) == wanted:
            build: str = kept["build"]
            return build
    return None


async def _by_threshold(
    read: Reader, query: ReportQuery, build: str, sheets: UserSheets, limit: int
) -> list[str] | None:
    """The names of the first `limit` users; None where they are too close to each other to decide."""
    last_day = query.over(query.window.last, query.window.last)
    pending: Counter[str] = Counter()
    for row in await sheets.waiting(query):
        pending[row["_id"]["user"]] += row["requests"]
    today_of = await sheets.requests_of_day(last_day)
    by_pending = sorted(pending.values(), reverse=True)
    depth = max(FIRST_DEPTH, DEEPER * limit)
    while depth <= DEEPEST:
        past = _requests(await read.cells(_trailing_head(query, build, depth)))
        today = dict(islice(today_of.items(), depth))
        among = sorted({*past, *today, *_head(pending, depth)})
        past_of = past | _requests(await read.find(TRAILING, _trailing_ids(query, build, set(among) - past.keys())))
        totals = {user: past_of.get(user, 0) + today_of.get(user, 0) + pending.get(user, 0) for user in among}
        ranked = sorted(totals, key=lambda user: (-totals[user], user))[:limit]
        # of most users nothing waits, also where of others more is taken away than comes
        most_pending = max(0, _rest(by_pending[:depth], depth))
        rest = _rest(past.values(), depth) + _rest(today.values(), depth) + most_pending
        if rest == 0 or (len(ranked) == limit and totals[ranked[-1]] > rest):
            return ranked
        depth *= DEEPER
    return None


def _trailing_head(query: ReportQuery, build: str, depth: int) -> Query:
    condition = {"_id.build": build, "_id.scope": _scope(query), "_id.synthetic": _only_synthetic(query)}
    chosen: list[Stage] = [{"$match": condition}, {"$sort": {"requests": -1}}, {"$limit": depth}]
    return TRAILING, [*chosen, {"$project": {"_id": "$_id.user", "requests": 1}}]


def _trailing_ids(query: ReportQuery, build: str, users: Iterable[str]) -> Document:
    scope, synthetic = _scope(query), _only_synthetic(query)
    ids = [{"build": build, "scope": scope, "synthetic": synthetic, "user": user} for user in sorted(users)]
    return {"_id": {"$in": ids}}


def _scope(query: ReportQuery) -> str:
    return query.filters.client_id or EVERYONE


def _only_synthetic(query: ReportQuery) -> bool:
    return query.synthetic is Synthetic.ONLY


def _requests(rows: Documents) -> Requests:
    return {row["_id"] if isinstance(row["_id"], str) else row["_id"]["user"]: row["requests"] for row in rows}


def _head(requests: Requests, depth: int) -> list[str]:
    return nlargest(depth, requests, key=requests.__getitem__)


def _rest(head: Iterable[int], depth: int) -> int:
    """The maximum of an entry after the head of a sorted list."""
    values = list(head)
    return min(values) if len(values) >= depth else 0
