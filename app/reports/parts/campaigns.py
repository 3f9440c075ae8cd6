"""Calls that name a campaign, summed: from their cells, and where these may lack some, from the ledger."""

from collections.abc import Sequence
from datetime import date, timedelta

from app.reports.parts.figures import summed
from app.reports.queries import campaigns
from app.reports.query import ReportQuery
from app.reports.reader import Document, Documents, Reader
from models.rollups import CAMPAIGN_TOTALS, CAPS, OTHER, PART, is_tagged, unescaped

PARTS = frozenset(PART)


async def campaign_sums(
    read: Reader, state: Document, query: ReportQuery, by: Sequence[str], *, campaign: str | None = None
) -> Documents:
    """One row for each of `by`, which are of `day`, `client`, `campaign`, `provider`, `model`, `serviceType` and
    `feature`: in `_id`, with requests, successes, tokens, unpriced calls, cost and savedCost (USD, Decimal128).

    `state` is that of the rollups. Of a client with more campaigns than have cells, the others are one, `other`, unless
    `campaign` names one of them. The filter by user is the ledger's alone.
    """
    exact = query.filters.user_id is None and await _are_whole(read, state)
    if exact and not (campaign is not None and await _is_folded(read, query, campaign)):
        return await _from_cells(read, query, by, campaign)
    # of days before, retention has deleted calls: only cells know
    whole_from = date.fromisoformat(state["wholeFrom"]) if "wholeFrom" in state else query.window.first
    rows: Documents = []
    if query.window.first < whole_from and query.filters.user_id is None:
        before = query.over(query.window.first, min(query.window.last, whole_from - timedelta(days=1)))
        rows += await _from_cells(read, before, by, campaign)
    if whole_from <= query.window.last:
        rest = query.over(max(query.window.first, whole_from), query.window.last)
        rows += await read.ledger(campaigns.from_ledger(rest, by, campaign))
    return _each_once(rows, by)


async def top_users(read: Reader, query: ReportQuery, campaign: str, limit: int) -> Documents:
    """Who cost the most in a campaign: requests, tokensUsed and cost by `_id`. From the ledger."""
    return await read.ledger(campaigns.users(query, campaign, limit))


async def _from_cells(read: Reader, query: ReportQuery, by: Sequence[str], campaign: str | None) -> Documents:
    rows = await read.cells(campaigns.from_cells(query, by, campaign))
    if PARTS.isdisjoint(by):
        return rows
    for row in rows:
        row["_id"] = {name: unescaped(value) if name in PARTS else value for name, value in row["_id"].items()}
    return rows


async def _are_whole(read: Reader, state: Document) -> bool:
    return is_tagged(state) and not await read.cells(campaigns.untagged())


async def _is_folded(read: Reader, query: ReportQuery, campaign: str) -> bool:
    """Whether calls of this campaign may be counted under `other`, or those of others under its name."""
    for names in await read.cells(campaigns.full()):
        admitted = names["campaign"]
        if query.filters.client_id not in {None, names["_id"]} or len(admitted) < CAPS["campaign"]:
            continue
        if campaign == OTHER or campaign not in admitted:
            return True
    return False


def _each_once(rows: Documents, by: Sequence[str]) -> Documents:
    groups: dict[tuple[str, ...], Documents] = {}
    for row in rows:
        groups.setdefault(tuple(row["_id"][name] for name in by), []).append(row)
    return [
        {"_id": dict(zip(by, key, strict=True)), **summed(members, CAMPAIGN_TOTALS)} for key, members in groups.items()
    ]
