"""In the quiet, what is left of every limit can be had to the last unit, and then no more."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import httpx

from app.database import Database
from models.counters import COUNTERS
from models.subjects import subject_of, user_subject
from scripts.drill.check import named
from scripts.drill.limits.callers import RESERVATIONS
from scripts.drill.limits.cohorts import Cohort, User, encode
from scripts.drill.limits.kinds import IMAGES, OF_CLIENT, asked
from scripts.drill.limits.ledger import Key, plain
from scripts.drill.server import DrillError, Server

ASKS = {"requests": 1, "images": IMAGES, "concurrent": 1}
"""How much an ask takes, of the units of which that is known here."""
AT_ONCE = 8
LONG_SECONDS = 600


async def last_units(
    http: httpx.AsyncClient, servers: Sequence[Server], cohort: Cohort, database: Database
) -> tuple[int, list[str]]:
    """Ask for each user of a cohort, in turn, until there is no more. Returns how often it was granted, and what is
    wrong with that. Raises DrillError.
    """
    used = {
        (key.subject, key.unit, key.window): plain(counter["used"])
        for counter in await database.writes[COUNTERS].find({}).to_list(None)
        for key in [Key.of(counter["_id"])]
    }
    client = subject_of("client", cohort.client)
    of_client = OF_CLIENT.amount - used.get((client, OF_CLIENT.unit, OF_CLIENT.window), Decimal(0))
    granted, wrong = 0, []
    for user in cohort.users:
        limits = user.kind.limits
        if user.kind.loose or any(limit.unit not in ASKS or limit.window == "minute" for limit in limits):
            continue
        subject = user_subject(user.id)
        room = min(
            (limit.amount - used.get((subject, limit.unit, limit.window), Decimal(0))) // ASKS[limit.unit]
            for limit in limits
        )
        found = await _until_refused(http, servers, cohort, user)
        if found != (wanted := max(0, min(room, of_client))):
            wrong.append(f"{user.id} was granted {found}, and {wanted} were left")
        of_client -= found
        granted += found
    return granted, named("not to the last unit", wrong)


async def _until_refused(http: httpx.AsyncClient, servers: Sequence[Server], cohort: Cohort, user: User) -> int:
    """How often, with several at once at all servers."""
    body = encode({"userId": user.id, **asked(user.kind), "ttlSeconds": LONG_SECONDS})

    async def ask(number: int) -> int:
        granted, address = 0, servers[number % len(servers)].address
        while True:
            answer = await http.post(address + RESERVATIONS, content=body, headers=cohort.headers[user.client])
            if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                return granted
            if answer.status_code != httpx.codes.CREATED:
                raise DrillError(f"{RESERVATIONS} answered {answer.status_code} in the quiet: {answer.text[:500]}")
            granted += 1

    return sum(await asyncio.gather(*map(ask, range(AT_ONCE))))
