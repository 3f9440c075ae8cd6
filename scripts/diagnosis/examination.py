"""Runs all checks of a deployment, one after the other, so that none can stop or delay the others."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, TypeVar

import pymongo
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from app.database import Database
from app.database.connection import looking
from app.database.deployment import reachable_uri
from app.database.mongod_binary import MongodError
from app.database.start_failures import Code, reason, unreached
from app.errors import AppError, ConfigurationError, RollupsNotReadyError
from app.maintenance.reconcile.days import DisturbedZoneError
from app.settings import Settings
from models import AIUsage
from scripts.diagnosis.finding import (
    START,
    Check,
    Deployment,
    Finding,
    Group,
    Row,
    Verdict,
    notice,
    ok,
    problem,
    unchecked,
)

CONNECT_SECONDS = 5.0
GRACE_SECONDS = 1.0
"""For the driver to end by itself, so that the server ends its work as well."""
AWAY = "MongoDB is away"
DAMAGE = "damaged documents"
IN_THE_WAY = unchecked("damaged documents are in the way")
BUG = "report this as a bug in twinmeter"

Result = TypeVar("Result")


@asynccontextmanager
async def opened(settings: Settings, seconds: float) -> AsyncIterator[Deployment]:
    """The deployment for the length of a block, with its MongoDB if that answers."""
    async with AsyncExitStack() as stack:
        found, connection = await _connected(stack, settings, min(seconds, CONNECT_SECONDS))
        yield Deployment(settings, found, connection, seconds)


async def examine(deployment: Deployment, groups: Iterable[Group]) -> list[Row]:
    """What every check says, in their order."""
    rows = [
        Row(group.title, check.name, await _answer(check, deployment)) for group in groups for check in group.checks
    ]
    damaged = any(row.check == DAMAGE and row.finding.verdict is Verdict.PROBLEM for row in rows)
    return [row._replace(finding=IN_THE_WAY) if damaged and _failed_by_itself(row) else row for row in rows]


async def in_thread(work: Callable[[], Result]) -> Result:
    """Run what may block for ever, such as I/O on a hanging disk, so that the process can end without it."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Result] = loop.create_future()

    def run() -> None:
        done: Future[Result] = Future()
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            done.set_exception(error)
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(_settle, answer, done)

    threading.Thread(target=run, daemon=True).start()
    return await answer


def _settle(answer: "asyncio.Future[Result]", done: "Future[Result]") -> None:
    if answer.done():  # given up
        return
    if (error := done.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(done.result())


async def _connected(stack: AsyncExitStack, settings: Settings, seconds: float) -> tuple[Database | None, Finding]:
    try:
        uri = reachable_uri(settings)
    except MongodError as error:
        return None, problem(str(error), f"or start the server, which brings one: {START}")
    try:
        with pymongo.timeout(seconds):
            database = await stack.enter_async_context(looking(uri, settings.database))
            return database, await _may_read(database)
    except (PyMongoError, AppError) as error:
        return None, _not_connected(error)


async def _may_read(database: Database) -> Finding:
    client: Any = database.writes.client  # the driver's stub takes the property for a method
    hosts = ", ".join(sorted(f"{host}:{port}" for host, port in client.nodes))
    try:
        await database.writes[AIUsage.Settings.name].find_one({}, {"_id": 1})
    except OperationFailure as error:
        if error.code != Code.NOT_AUTHORIZED:
            raise
        said = f"the user of TWINMETER_MONGODB_URI may not read the database {database.writes.name}"
        return problem(said, f"grant it the role read on {database.writes.name}")
    return ok(f"{hosts} answers, and the database {database.writes.name} can be read")


def _not_connected(error: Exception) -> Finding:
    if isinstance(error, OperationFailure) and error.code == Code.AUTHENTICATION_FAILED:
        return problem("MongoDB does not take the user and password of TWINMETER_MONGODB_URI", "correct them")
    if isinstance(error, ConfigurationError):
        return problem(str(error), "no server starts with it")
    advice = "start it, or correct TWINMETER_MONGODB_URI; calls go to the spool meanwhile"
    return problem(unreached(error), advice)


async def _answer(check: Check, deployment: Deployment) -> Finding:
    if deployment.found is None and not check.local:
        return unchecked(AWAY)
    try:
        async with asyncio.timeout(deployment.seconds + GRACE_SECONDS):
            with pymongo.timeout(deployment.seconds):
                return await check.look(deployment)
    except Exception as error:  # noqa: BLE001 - whatever one check meets, the others are made
        return _failed(error, deployment.seconds)


def _failed(error: Exception, seconds: float) -> Finding:
    cause = error.__cause__ if isinstance(error.__cause__, PyMongoError) else error
    match cause:
        case TimeoutError() | PyMongoError(timeout=True):
            return notice(f"could not be determined within {seconds:g} s", "give it more time: --seconds 60")
        case OperationFailure(code=Code.NOT_AUTHORIZED):
            return unchecked(f"the user may not: {(cause.details or {}).get('errmsg', cause)}")
        case ConnectionFailure():
            return problem(f"MongoDB stopped answering: {reason(cause)}", "look at its log")
        case RollupsNotReadyError() | DisturbedZoneError():
            return unchecked(str(cause))
        case AppError() | PyMongoError() | OSError():
            return problem(reason(cause), "see docs/operations.md")
    return problem(f"the check itself failed: {type(error).__name__}: {error}", BUG)


def _failed_by_itself(row: Row) -> bool:
    return row.finding.advice == BUG
