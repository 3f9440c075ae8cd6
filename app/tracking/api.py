"""Tracking as applications use it: opened once, reached by plain functions."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from app.alerts.recording import record_crossings
from app.database import Database, connected
from app.database.deployment import reachable_uri
from app.limits import open_limits
from app.limits.answers import TTL
from app.limits.asks import Ask
from app.limits.decisions import Decision
from app.observability.logs import follow_level
from app.observability.metrics import Counters
from app.settings import Settings
from app.tracking.receipt import Flushed, TrackReceipt
from app.tracking.reservation import AIReservation, check, current
from app.tracking.tracked_call import TrackedCall
from app.tracking.tracker import Tracker
from app.tracking.trackers import trackers
from app.tracking.write_path import write_path
from models import ServiceType
from models.call import UNKNOWN_MODEL


async def track_ai_request(
    user_id: str = "", content_type: str = "", model: str = "", *, wait: bool = True, **reported: Any
) -> TrackReceipt:
    """Report one AI call: both documents are committed, or a receipt says why not. Never raises.

    All three names are required; leaving one out gives a `rejected` receipt, not an error.

    `reported` takes every field of `AICall`, among them `cached`, `success`, `tokens_used`, `input_tokens`,
    `output_tokens`, `request_duration` (ms), `error_message`, `provider`, `request_id` and `created_at`. The caller
    waits no longer than the deadline of the settings (250 ms unless set); with `wait=False` not at all, and the outcome
    is then counted and logged, but not reported.

    From any thread and any event loop: the call is handed to the loop on which tracking was opened.
    """
    if (tracker := trackers.current) is None:
        return trackers.nobody()
    report = tracker.track if wait else tracker.post
    if (room := current()) is None:
        return await report(user_id=user_id, content_type=content_type, model=model, **reported)
    told = {"user_id": user_id, "content_type": content_type, "model": model, **reported}
    receipt = await report(**(settling := room.settled_by(told)))
    if settling is not told:
        room.told(receipt)
    return receipt


def track_ai_call(
    *, user_id: str, content_type: str, enforce: bool = False, at_most: Mapping[str, Any] | None = None, **reported: Any
) -> TrackedCall:
    """Time a model call and report it, even when it fails, times out or is cut off in the middle of a stream.

        async with track_ai_call(user_id="u1", content_type="chat", provider="openai") as call:
            response = await client.chat.completions.create(...)
            call.record(response)            # or: async for chunk in call.stream(response): ...

    `reported` takes every field of `AICall`; `model` is taken from the response where it is left out. The block's own
    errors propagate to the caller unchanged. Also a decorator of a coroutine function that returns the response.

    With `enforce` the call is held room for before it is made, as `reserve_ai_call` does, and the block does not begin
    where it raises. What the call may use at most is in `at_most`, by the names of `Ask` (`input_tokens`,
    `max_output_tokens`, ...); `model` has to be given, and what else is reported beforehand need not be said twice.
    """
    known = {"user_id": user_id, "content_type": content_type, **reported}
    if not enforce:
        return TrackedCall(_track, known)
    shared = {name: value for name, value in known.items() if name in _ALSO_ASKED and value is not None}
    return TrackedCall(_track, known, {**shared, **(at_most or {})})


def reserve_ai_call(
    *, user_id: str, content_type: str, model: str, ttl: timedelta = TTL, **at_most: Any
) -> AIReservation:
    """Hold room for one call in every limit that applies, before it is made.

        async with reserve_ai_call(user_id="u1", content_type="chat", model="gpt-4o", max_output_tokens=500):
            response = await client.chat.completions.create(..., max_tokens=500)
            await track_openai_usage(response, user_id="u1", content_type="chat")

    The call that is reported in the block for this user settles it: what was not used is given back, and where nobody
    knows what was used, all that was held counts, marked as estimated. A block that reports nothing, or ends with an
    error before that, gives all of it back. `at_most` takes the other fields of `Ask`.

    Raises QuotaExceededError where a limit has no room, UnboundedAskError where the call has no upper bound and a limit
    needs one, LimitsUnavailableError where it cannot be known now, and InvalidRequestError; each before the block.
    """
    return AIReservation({"user_id": user_id, "content_type": content_type, "model": model, **at_most}, ttl)


async def check_usage_limit(user_id: str, content_type: str, model: str = UNKNOWN_MODEL, **at_most: Any) -> Decision:
    """Whether a call may be made now; nothing is taken, so that another one may be faster. `content_type` may also be
    a kind of model: `content`, `chat`, `image`, `video`, `audio` or `embedding`. Without a model: whether there is
    anything left. Raises UnboundedAskError, LimitsUnavailableError and InvalidRequestError.
    """
    said = {"user_id": user_id, "content_type": content_type, "model": model, **at_most}
    if content_type in _KINDS:
        said.setdefault("service_type", content_type)
    return await check(said)


_ALSO_ASKED = frozenset(Ask.model_fields) - {"input_tokens", "max_output_tokens"}
"""Fields of a report that its call may be asked for with."""


_KINDS = frozenset(kind.value for kind in ServiceType)


async def _track(**reported: Any) -> TrackReceipt:
    return await track_ai_request(**{"model": UNKNOWN_MODEL, **reported})


async def flush(seconds: float = 5.0) -> Flushed:
    """Wait until all that was reported before is committed or spooled, for so many seconds at most. Never raises."""
    tracker = trackers.current
    return Flushed(0, 0) if tracker is None else await tracker.flush(seconds)


@asynccontextmanager
async def open_tracker(
    settings: Settings, database: Database, counters: Counters, *, compacting: bool = True
) -> AsyncIterator[Tracker]:
    """A tracker of this process for the length of a block; at its end what has queued is committed or spooled.

    Without `compacting`, merging the deltas is left to other processes.
    """
    async with write_path(settings, database, counters, compacting=compacting) as tracker:
        trackers.add(tracker)
        try:
            yield tracker
        finally:
            trackers.remove(tracker)


@asynccontextmanager
async def tracking(settings: Settings, mongodb_uri: str | None = None) -> AsyncIterator[Tracker]:
    """Tracking inside a host application: connects to MongoDB, and opens the tracker and the limits. Alerts are
    recorded here; the server delivers them.

    It logs through the logger `twinmeter` of the standard library, from the level of the settings on.
    """
    follow_level(settings.log_level)
    async with (
        connected(mongodb_uri or reachable_uri(settings), settings.database) as database,
        open_tracker(settings, database, Counters()) as tracker,
    ):
        # not in a block: a forked child that leaves this one has nothing of its parent's to give back
        tracker.beside = opened = open_limits(database, settings.zone)
        limits = await opened.__aenter__()
        try:
            tracker.enforce(limits)
            limits.crossings.on_crossed = partial(record_crossings, database)
            yield tracker
        finally:
            if not tracker.home.is_left_behind:
                await opened.__aexit__(None, None, None)
