"""Our own gateway: a key with three limits, another one whose 1,000 users have a limit each besides."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from app.auth.api_keys import KeyRing
from app.auth.principals import Scope
from app.auth.tokens import Tokens
from app.database import Database, Session
from app.limits.defining.changes import change_definitions
from app.settings import Settings
from models.limits import LIMITS, Limit, LimitScope, Unit, Window
from scripts.bench.door import Server, sending_to
from scripts.bench.gateway.stand_in import MODEL
from scripts.bench.gateway.systems import System
from scripts.bench.serving import serving
from scripts.bench.setup import bench_database

USERS = [f"user-{number:04}" for number in range(1_000)]
OURS, OF_USERS = "ours", f"ours, {len(USERS):,} users"
CLIENTS = {OURS: "client-0", OF_USERS: "client-1"}
UNITS = ((Unit.REQUESTS, Window.DAY), (Unit.TOKENS, Window.DAY), (Unit.USD, Window.MONTH))
PLENTY = Decimal(1_000_000_000)
_CONFIG = """
[upstreams.openai]
base_url = "{address}/v1"
models = ["{model}"]
"""


class Gateway(NamedTuple):
    """The server, and the two ways to ask it."""

    served: Server
    systems: Sequence[System]


@asynccontextmanager
async def ours(settings: Settings, uri: str, provider: System) -> AsyncIterator[Gateway]:
    """A server on a fresh database, tracking and limiting."""
    config = settings.data_dir / "gateway.toml"
    write_config(config, provider)
    more = {"TWINMETER_GATEWAY_FILE": str(config)}
    async with bench_database(settings, uri) as database:
        bearers = await define(database)
        async with (
            serving(settings, uri, database.writes.name, more=more) as address,
            sending_to(address, database, Tokens.of(settings), ()) as served,
        ):
            yield Gateway(served, ways(address, await served.pid(), bearers))


def write_config(path: Path, provider: System) -> None:
    """The gateway's file: one upstream, known by its name, whose calls have a price."""
    path.write_text(_CONFIG.format(address=provider.address, model=MODEL))


async def define(database: Database) -> dict[str, str]:
    """Have keys and limits. Returns the text of the key of each way."""
    keys = {name: await _key(database, client) for name, client in CLIENTS.items()}
    limits = [_limit(LimitScope(key_id=key_id), *unit) for key_id, _ in keys.values() for unit in UNITS]
    limits += [_limit(LimitScope(user_id=user), Unit.REQUESTS, Window.DAY) for user in USERS]
    await _define(database, limits)
    return {name: text for name, (_, text) in keys.items()}


def ways(address: str, pid: int, bearers: Mapping[str, str]) -> Sequence[System]:
    """As a caller that is one user, and as one of many."""
    one, many = (System(name, address, pid, bearer=bearers[name]) for name in CLIENTS)
    return one, many._replace(users=USERS)


async def _key(database: Database, client: str) -> tuple[str, str]:
    """Its id, and its text."""
    scopes = [Scope.GATEWAY]
    made, text = await KeyRing(database).create(
        client=client, scopes=scopes, name="bench", expires_at=None, created_by="bench"
    )
    return made.key_id, text


def _limit(scope: LimitScope, unit: Unit, window: Window) -> Limit:
    more: dict[str, Any] = {"created_at": datetime.now(UTC), "created_by": "bench"}
    id_ = f"{scope.subject}/{unit.value}"
    return Limit(id=id_, scope=scope, unit=unit, window=window, amount=PLENTY, **more)


async def _define(database: Database, limits: list[Limit]) -> None:
    async def insert(session: Session | None, version: int) -> None:
        rows = [limit.stored() | {"changed": version} for limit in limits]
        await database.writes[LIMITS].insert_many(rows, session=session)

    await change_definitions(database, insert)
