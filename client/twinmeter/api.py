"""What an application calls: plain functions of the client of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from twinmeter.client import FLUSH_SECONDS, current
from twinmeter.report import WAIT_SECONDS, Report

if TYPE_CHECKING:
    from typing import Literal

    from twinmeter.receipts import Counts, Flushed, Receipt


@overload
def track(
    *,
    user_id: str | None = ...,
    content_type: str | None = ...,
    model: str | None = ...,
    wait: Literal[False] = ...,
    **fields: Any,
) -> None: ...
@overload
def track(
    *,
    user_id: str | None = ...,
    content_type: str | None = ...,
    model: str | None = ...,
    wait: Literal[True],
    timeout: float = ...,
    **fields: Any,
) -> Receipt: ...
@overload
def track(*, wait: bool, timeout: float = ..., **fields: Any) -> Receipt | None: ...
def track(*, wait: bool = False, timeout: float = WAIT_SECONDS, **fields: Any) -> Receipt | None:
    """Report one AI call. It takes microseconds: the call is sent in the background. Never raises.

    `user_id`, `content_type` and `model` are required, by the call or by `twinmeter.context`. The others are:
    `client_id`, `request_id` (reported twice, counted once), `conversation_id`, `campaign_id`, `provider`, `endpoint`,
    `experiment` with `variant`,
    `input_tokens` (with those of caches), `output_tokens` (with reasoning), `tokens_used` (where only the total is
    known), `cache_read_tokens`, `cache_write_tokens`, `reasoning_tokens`, `images`, `audio_seconds`, `video_seconds`,
    `cost` (USD, where it is known), `request_duration` (ms), `time_to_first_token` (ms), `success`, `status`,
    `error_message`, `cached`, `metadata` (flat), `created_at`, and whatever else the server takes for a call. Instead
    of counts: `usage`, the provider's usage object, and `response`, a dict of what the response says beside its texts.

    With `wait` it is sent at once and the server's receipt returned, after `timeout` seconds at the latest; where the
    server is away, a receipt `queued`, at once. The call is then sent later.
    """
    return current().track(fields, wait=wait, timeout=timeout)


def track_ai_request(
    user_id: str = "", content_type: str = "", model: str = "", *, wait: bool = True, **reported: Any
) -> Report:
    """Report one AI call, with the parameters of the server's function of this name. Never raises.

    `await` it for the server's receipt, or leave it: it is sent either way, from any thread, with or without an event
    loop. With `wait=False` nothing waits, also not `await`.
    """
    names = {"user_id": user_id, "content_type": content_type, "model": model}
    fields = {**{name: said or None for name, said in names.items()}, **reported}
    return current().report(fields, wait=wait)


def flush(timeout: float = FLUSH_SECONDS) -> Flushed:
    """Send what was reported until now, for so many seconds at most; then, what became of all calls so far.

    Never raises. Where the server is away it is tried again at once, unless it has asked for a pause (`Retry-After`).
    Where the next attempt is due only after `timeout`, this returns before.
    """
    return current().flush(timeout)


def counts() -> Counts:
    """What became of the calls of this process so far; of a forked child, of its own."""
    return current().counts()
