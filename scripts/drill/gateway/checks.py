"""What must hold once all is quiet: whoever saw a whole answer is in the ledger once and exactly, nobody saw a false
end, nothing is held, and nothing is over a hard limit.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from app.database import Database
from models.counters import RESERVATIONS
from scripts.drill.check import ids_of, named, wrong_cells
from scripts.drill.gateway.asking import Leave
from scripts.drill.gateway.content import OF_CONTENT
from scripts.drill.gateway.crowd import Seen
from scripts.drill.limits.checks import Law, Meter, over, uncounted, unsettled
from scripts.drill.limits.ledger import Whole
from scripts.drill.server import DrillError, Server

Document = dict[str, Any]
OPEN_SECONDS = 120.0
POLL_SECONDS = 0.05
LET_GO = timedelta(minutes=11)
"""What a call holds is held for ten minutes at most, and half a minute of grace."""


async def until_no_call_is_open(server: Server) -> None:
    """Wait until every call has ended, those too that are read to their end though their clients have left: what is
    held for one that has not is not to be let go. Raises DrillError.
    """
    calls = None
    async with asyncio.timeout(OPEN_SECONDS), httpx.AsyncClient(timeout=30, trust_env=False) as http:
        while calls != "0.0":
            if calls is not None:
                await asyncio.sleep(POLL_SECONDS)
            metrics = (await http.get(f"{server.address}/metrics")).text
            found = re.search(r"^twinmeter_gateway_open_calls (\S+)$", metrics, re.MULTILINE)
            if found is None:
                raise DrillError("/metrics does not say how many calls are open")
            calls = found[1]


async def time_passes(database: Database) -> int:
    """Let what is held still have come to its end, as if minutes had passed. Returns how many reservations that is."""
    passed = {"$set": {"expiresAt": datetime.now(UTC) - timedelta(minutes=1)}}
    soon = {"state": "open", "expiresAt": {"$lt": datetime.now(UTC) + LET_GO}}
    return (await database.writes[RESERVATIONS].update_many(soon, passed)).modified_count


async def faults(
    database: Database, seen: Sequence[Seen], laws: Mapping[Meter, Law], zone: ZoneInfo
) -> tuple[Document, list[str]]:
    """Figures, and everything that is wrong."""
    whole = await Whole.read(database)
    figures, wrong = over(whole, laws)
    entries: dict[str, list[Document]] = defaultdict(list)
    for entry in whole.entries:
        entries[entry.get("conversationId", "")].append(entry)
    events = await ids_of(database.events)
    stored = {entry["_id"] for entry in whole.entries}
    return {"entries": len(stored), **figures}, [
        *wrong,
        *named("not as a recount says", uncounted(whole)),
        *named("settled by no entry", unsettled(whole)),
        *named("in the ledger without a twin", map(str, stored - events)),
        *named("an event without a twin", map(str, events - stored)),
        *named(
            "in the ledger, and asked by nobody",
            sorted(entries.keys() - {OF_CONTENT, *(each.question.name for each in seen)}),
        ),
        *_of_questions(seen, entries),
        *await wrong_cells(database, zone),
    ]


def _of_questions(seen: Sequence[Seen], entries: Mapping[str, list[Document]]) -> list[str]:
    wrong: dict[str, list[str]] = defaultdict(list)
    for each in seen:
        for what, detail in _wrong(each, entries.get(each.question.name, [])):
            wrong[what].append(f"{each.question.name} {_how(each)}{detail}")
    return [fault for what, items in sorted(wrong.items()) for fault in named(what, items)]


def _how(seen: Seen) -> str:
    asked = seen.question
    return f"({asked.way}, {asked.fault or 'no fault'}, {asked.leaves}, {seen.blow or 'no blow'}, {seen.heard.status})"


def _wrong(seen: Seen, entries: list[Document]) -> Iterable[tuple[str, str]]:
    if len(entries) > 1:
        yield "in the ledger more than once", f": {len(entries)}"
        return
    entry = entries[0] if entries else None
    if seen.complete:
        yield from _wrong_success(seen, entry)
    elif entry is not None and entry["status"] == "success" and not (seen.heard.left or seen.blow):
        yield "broken off, and a success in the ledger", ""
    elif entry is None and _reached_somebody(seen):
        yield "answered by an upstream and not in the ledger", ""
    elif entry is not None and not seen.blow and _refused(seen):
        yield "refused by the gateway and in the ledger", f": {seen.heard.headers['x-twinmeter-error']}"
    elif entry is not None and _is_drained(seen) and _figures(entry) != (*seen.question.tokens, "success"):
        yield "read to its end for nobody, and not exact", f": {_figures(entry)}"
    if entry is not None and seen.heard.headers.get("x-twinmeter-request-id", str(entry["_id"])) != str(entry["_id"]):
        yield "in the ledger by another id than its client was told", ""


def _wrong_success(seen: Seen, entry: Document | None) -> Iterable[tuple[str, str]]:
    asked = seen.question
    if asked.breaks or asked.fails:
        yield "a whole answer of an upstream that broke off", ""
    if asked.repeats_itself and (found := seen.heard.body.count(asked.word.encode())) != asked.words:
        yield "not the answer to what was asked", f": {found} of {asked.words}"
    if entry is None:
        yield "a whole answer that is not in the ledger", ""
    elif _figures(entry) != (*asked.tokens, "success"):
        yield "a whole answer that is not exact in the ledger", f": {_figures(entry)}"


def _figures(entry: Document) -> tuple[int, int, str]:
    return entry["inputTokens"], entry["outputTokens"], entry["status"]


def _refused(seen: Seen) -> bool:
    """Whether the gateway said no, and asked nobody."""
    return "x-twinmeter-error" in seen.heard.headers and not _reached_somebody(seen)


def _reached_somebody(seen: Seen) -> bool:
    """Whether an upstream was asked for certain, and the server had all the time that it needs to say so."""
    if seen.blow:
        return False
    told = seen.heard.headers.get("x-twinmeter-error", "")
    return seen.heard.status == 200 or told.startswith("upstream_") or (seen.heard.status >= 400 and not told)  # noqa: PLR2004


def _is_drained(seen: Seen) -> bool:
    """Whether its client has left, and the answer was there to be read to its end all the same."""
    asked = seen.question
    left_in_it = seen.heard.left and asked.leaves is not Leave.BEFORE_HEAD
    return left_in_it and asked.key != "cancel" and not (seen.blow or asked.breaks or asked.fails or asked.is_huge)
