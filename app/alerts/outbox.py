"""The outbox: messages that wait in the database are claimed, sent, and sent again until they have arrived.

A claim holds for a while: where its process is killed, another one sends the message. So each arrives at least once,
under one id.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from datetime import datetime, timedelta

import pymongo
from bson import ObjectId
from pymongo.errors import PyMongoError

from app.alerts.endpoints import Endpoints
from app.alerts.measures import Measures
from app.alerts.recording import Clock
from app.alerts.schedule import pause_after
from app.alerts.sending import ATTEMPT_SECONDS, Outcome, Send
from app.database import Database
from app.errors import AppError
from app.observability.logs import Log
from models.alerts import (
    ALERTS,
    DELIVERIES,
    ENDPOINTS,
    MOST_ATTEMPTS_KEPT,
    Alert,
    Attempt,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointKind,
    EndpointState,
)
from models.documents import Document
from models.moments import moment_now

CLAIM_SECONDS = 2 * ATTEMPT_SECONDS
"""Longer than an attempt, also where the clocks of two machines differ a little."""
AT_ONCE = 4
"""Messages of a process to one endpoint: one that hangs holds up its own alone."""
LOOK_SECONDS = 2.0
"""How often it is looked for what another process has left, at least."""
QUERY_SECONDS = 5.0
GOODBYE_SECONDS = 1.0

log = Log(__name__)


class Outbox:
    """That of one process."""

    def __init__(
        self,
        database: Database,
        endpoints: Endpoints,
        ways: Mapping[EndpointKind, Send],
        measures: Measures,
        clock: Clock = moment_now,
    ) -> None:
        self._deliveries = database.writes[DELIVERIES]
        self._alerts = database.writes[ALERTS]
        self._stored_endpoints = database.writes[ENDPOINTS]
        self._endpoints = endpoints
        self._ways = ways
        self._measures = measures
        self._clock = clock
        self._there = asyncio.Event()
        self._sending: dict[asyncio.Task[None], Delivery] = {}

    def wake(self) -> None:
        """There is something to send."""
        self._there.set()

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        try:
            await self._run()
        finally:
            await self._leave()

    async def _run(self) -> None:
        reachable = True
        while True:
            self._there.clear()
            pause = LOOK_SECONDS
            try:
                pause = await self.send_due()
                reachable = True
            except PyMongoError as error:
                if reachable:
                    log.warning("outbox.unreachable", error=str(error)[:200])
                reachable = False
            except Exception:
                log.exception("outbox.failed")  # what is stored may be damaged: the others are sent
            # not wait_for, which before Python 3.12 may swallow that this task is cancelled
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._there.wait()

    async def send_due(self) -> float:
        """Begin to send all that is due. Returns in how many seconds to look again. Raises PyMongoError."""
        pause = LOOK_SECONDS
        for endpoint, due in await self._waiting():
            wait = (due - self._clock()).total_seconds()
            while wait <= 0 and self._has_room(endpoint):
                if (delivery := await self._claimed(endpoint)) is None:
                    break
                task = asyncio.create_task(self._send(delivery), name=f"twinmeter-delivery-{delivery.id}")
                self._sending[task] = delivery
                task.add_done_callback(self._done)
            if wait > 0:
                pause = min(pause, wait)
        return pause

    async def settled(self) -> None:
        """Wait until nothing is being sent any more by this process."""
        while self._sending:
            await asyncio.wait(self._sending)

    def _done(self, task: asyncio.Task[None]) -> None:
        delivery = self._sending.pop(task)
        self._there.set()  # there is room for another one of this endpoint
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("delivery.failed", delivery=delivery.id, exc_info=error)

    async def _waiting(self) -> list[tuple[str, datetime]]:
        """The endpoints that messages wait for, and when the first of each is due: a key of the index for each."""
        first: list[Document] = [
            {"$match": {"state": DeliveryState.PENDING.value}},
            {"$sort": {"state": 1, "endpoint": 1, "dueAt": 1}},
            {"$group": {"_id": "$endpoint", "due": {"$first": "$dueAt"}}},
        ]
        with pymongo.timeout(QUERY_SECONDS):
            return [(each["_id"], each["due"]) async for each in self._deliveries.aggregate(first)]

    def _has_room(self, endpoint: str) -> bool:
        return sum(each.endpoint == endpoint for each in self._sending.values()) < AT_ONCE

    async def _claimed(self, endpoint: str) -> Delivery | None:
        """A message to an endpoint that is due, now ours for a while."""
        at = self._clock()
        claim = {"dueAt": at + timedelta(seconds=CLAIM_SECONDS), "claim": str(ObjectId())}
        due = {"state": DeliveryState.PENDING.value, "endpoint": endpoint, "dueAt": {"$lte": at}}
        with pymongo.timeout(QUERY_SECONDS):
            stored = await self._deliveries.find_one_and_update(
                due, {"$set": claim}, sort=[("dueAt", 1)], return_document=True
            )
        return None if stored is None else Delivery.model_validate(stored)

    async def _send(self, delivery: Delivery) -> None:
        """One attempt. Where its outcome cannot be stored, the message is sent again when the claim has ended."""
        with pymongo.timeout(QUERY_SECONDS):
            stored = await self._stored_endpoints.find_one({"_id": delivery.endpoint})
            alert = await self._alerts.find_one({"_id": delivery.alert})
        endpoint = None if stored is None else Endpoint.model_validate(stored)
        if alert is None or endpoint is None or endpoint.state is not EndpointState.ON:
            await self._store(delivery, {"state": DeliveryState.STOPPED.value})
            return
        at, began = self._clock(), time.monotonic()
        outcome = await self._outcome(endpoint, Alert.model_validate(alert), delivery)
        duration = round(1_000 * (time.monotonic() - began))
        self._measures.tried(endpoint.kind, outcome)
        await self._note(
            delivery, Attempt(at=at, duration=duration, status=outcome.status, error=outcome.error), outcome
        )
        if outcome.gone:
            with contextlib.suppress(AppError):  # an administrator has changed it just now
                await self._endpoints.gone(endpoint)

    async def _outcome(self, endpoint: Endpoint, alert: Alert, delivery: Delivery) -> Outcome:
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                return await self._ways[endpoint.kind](endpoint, alert, delivery)
        except TimeoutError:
            return Outcome(error=f"no answer within {ATTEMPT_SECONDS:.0f} s")
        except Exception as error:
            log.exception("delivery.failed", delivery=delivery.id)
            return Outcome(error=f"internal error: {type(error).__name__}")

    async def _note(self, delivery: Delivery, attempt: Attempt, outcome: Outcome) -> None:
        tries = delivery.tries + 1
        changes: Document = {"tries": tries}
        if outcome.error is None:
            changes |= {"state": DeliveryState.DELIVERED.value, "deliveredAt": self._clock()}
        elif outcome.gone:
            changes["state"] = DeliveryState.STOPPED.value
        elif (pause := pause_after(tries)) is None:
            changes["state"] = DeliveryState.FAILED.value
        else:
            changes["dueAt"] = self._clock() + pause
        await self._store(delivery, changes, attempt, arrived=outcome.error is None)

    async def _store(
        self, delivery: Delivery, changes: Document, attempt: Attempt | None = None, *, arrived: bool = False
    ) -> None:
        """What became of it: nothing where it was resent or claimed by another meanwhile, unless it has arrived."""
        mine: Document = {"_id": delivery.id} if arrived else {"_id": delivery.id, "claim": delivery.claim}
        update: Document = {"$set": changes, "$unset": {"claim": ""}}
        if attempt is not None:
            update["$push"] = {"attempts": {"$each": [attempt.stored()], "$slice": -MOST_ATTEMPTS_KEPT}}
        with pymongo.timeout(QUERY_SECONDS):
            await self._deliveries.update_one(mine, update)

    async def _leave(self) -> None:
        """What is on the way is for the next process, at once."""
        given_up = [each.claim for each in self._sending.values()]
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        if given_up:
            with contextlib.suppress(PyMongoError), pymongo.timeout(GOODBYE_SECONDS):
                await self._deliveries.update_many({"claim": {"$in": given_up}}, {"$set": {"dueAt": self._clock()}})
