"""Asking before a call is made: whether it may be, and for room that is held until it is reported.

Nothing here raises. Where the server cannot be asked, `limits_when_away` decides, and decisions are `unenforced`.
"""

from __future__ import annotations

from math import ceil
from os import urandom
from typing import Any

from twinmeter.decisions import Decision, QuotaExceeded
from twinmeter.inquiries import Inquiry
from twinmeter.reservation import PATH, Reservation

__all__ = ["Decision", "QuotaExceeded", "Reservation", "acheck", "check", "reserve"]

CHECK_PATH = "/api/ai/limits/check"


def check(
    feature: str | None = None, *, user_id: str | None = None, client_id: str | None = None, **bounds: Any
) -> Decision:
    """Whether a call of this content type, or feature, would pass now; nothing is held. Never raises.

    `bounds` are those of `reserve`. It waits for the server for `limits_timeout` at most; `acheck` does not keep an
    event loop waiting.
    """
    return Inquiry(CHECK_PATH, feature, {"user_id": user_id, "client_id": client_id, **bounds}).now()[0]


async def acheck(
    feature: str | None = None, *, user_id: str | None = None, client_id: str | None = None, **bounds: Any
) -> Decision:
    """`check`, while the event loop goes on."""
    return (await Inquiry(CHECK_PATH, feature, {"user_id": user_id, "client_id": client_id, **bounds}).later())[0]


def reserve(
    feature: str | None = None,
    *,
    user_id: str | None = None,
    client_id: str | None = None,
    model: str | None = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    ttl: float | None = None,
    **bounds: Any,
) -> Reservation:
    """Hold room for one call of this content type, or feature, by the most that it can take. Never raises.

    All are upper bounds: `input_tokens` or `input_bytes`, `output_tokens`, `images`, `characters`, `audio_seconds`,
    `video_seconds`, `web_searches`. With `model` and `provider` the server knows what they may cost. After `ttl`
    seconds (10 minutes) what is neither reported nor released ends by itself. What is not given comes from
    `twinmeter.context`.
    """
    given = {
        "user_id": user_id,
        "client_id": client_id,
        "model": model,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "ttl_seconds": None if ttl is None else max(1, ceil(ttl)),
        "request_id": urandom(10).hex(),
        **bounds,
    }
    return Reservation(Inquiry(PATH, feature, given))
