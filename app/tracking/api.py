"""Tracking as applications use it: opened once, reached by plain functions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.database import Database, connected
from app.database.deployment import reachable_uri
from app.observability.logs import follow_level
from app.observability.metrics import Counters
from app.settings import Settings
from app.tracking.receipt import Flushed, TrackReceipt
from app.tracking.tracked_call import TrackedCall
from app.tracking.tracker import Tracker
from app.tracking.trackers import trackers
from app.tracking.write_path import write_path
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
    return await report(user_id=user_id, content_type=content_type, model=model, **reported)


def track_ai_call(*, user_id: str, content_type: str, **reported: Any) -> TrackedCall:
    """Time a model call and report it, even when it fails, times out or is cut off in the middle of a stream.

        async with track_ai_call(user_id="u1", content_type="chat", provider="openai") as call:
            response = await client.chat.completions.create(...)
            call.record(response)            # or: async for chunk in call.stream(response): ...

    `reported` takes every field of `AICall`; `model` is taken from the response where it is left out. The block's own
    errors propagate to the caller unchanged. Also a decorator of a coroutine function that returns the response.
    """
    return TrackedCall(_track, {"user_id": user_id, "content_type": content_type, **reported})


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
    """Tracking inside a host application: connects to MongoDB, and opens the tracker.

    It logs through the logger `twinmeter` of the standard library, from the level of the settings on.
    """
    follow_level(settings.log_level)
    async with (
        connected(mongodb_uri or reachable_uri(settings), settings.database) as database,
        open_tracker(settings, database, Counters()) as tracker,
    ):
        yield tracker
