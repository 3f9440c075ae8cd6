"""Which answers are worth giving again: those that say all that they were to say."""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.gateway.formats.base import Operation, Wanted
from models import ServiceType


class _Response(msgspec.Struct):
    status: str | None = None


_RESPONSE = msgspec.json.Decoder(_Response)
_COMPLETED = b"response.completed"
_LEAST_BYTES = 3
"""`{}` says nothing."""


def is_worth_keeping(wanted: Wanted, content: tuple[tuple[bytes, ...], bytes], reported: Mapping[str, Any]) -> bool:
    """Of an answer that is complete as its API has it, and no error. Not so: a model that has said nothing, a response
    that waits in the background or was broken off.
    """
    chunks, end = content
    if sum(map(len, chunks)) + len(end) < _LEAST_BYTES:
        return False
    if wanted.service_type is ServiceType.CHAT and reported.get("output_tokens") == 0:
        return False
    if wanted.operation is not Operation.RESPONSES:
        return True
    if wanted.stream:
        return _COMPLETED in end
    try:
        return _RESPONSE.decode(b"".join((*chunks, end))).status == "completed"
    except msgspec.MsgspecError:
        return False
