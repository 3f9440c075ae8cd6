"""LiteLLM: `litellm.success_callback = [twinmeter.litellm]` reports each call, also those that fail or are left."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import litellm as framework
from litellm.integrations.custom_logger import CustomLogger

from twinmeter.client import current
from twinmeter.context import current_fields, with_reservation
from twinmeter.estimate import INTERRUPTED
from twinmeter.integrations.names import TOLD, provider_of
from twinmeter.observation import UNKNOWN_MODEL, described, guarded, status_of
from twinmeter.usage import Events, fields_of, names_model
from twinmeter.wrapping.operations import ANONYMOUS, CHAT, EMBEDDING, IMAGE, SPEECH, TRANSCRIPTION

if TYPE_CHECKING:
    from typing_extensions import Self

_BEGUN = "twinmeter"
_LONGEST_ID = 100
_OPERATIONS = {
    "embedding": EMBEDDING,
    "image_generation": IMAGE,
    "image_edit": IMAGE,
    "transcription": TRANSCRIPTION,
    "speech": SPEECH,
}
_USERS = ("user_api_key_end_user_id", "user_api_key_user_id")
"""Where the metadata of a call have the user of LiteLLM's proxy."""

Fields = dict[str, Any]


class _Begun:
    """A call under way. It lies where LiteLLM keeps what it knows of the call, and is forgotten with that, at the next
    call at the latest: of a stream that is left, or a call that is cancelled, LiteLLM tells nobody.
    """

    def __init__(self, known: Fields, model: str) -> None:
        self.known = known
        self.is_over = False
        self._model = model
        self._started = time.perf_counter()
        self._events: Events | None = None
        self._last: Any = None
        self._response: Any = None
        self._ended: float | None = None

    def take(self, chunk: Any) -> None:
        """Take a piece of the stream; LiteLLM tells of one more than once."""
        if chunk is self._last:
            return
        self._last = chunk
        self._events = self._events or Events()
        self._events.add(chunk)
        if any(getattr(choice, "finish_reason", None) for choice in getattr(chunk, "choices", ())):
            self._ended = time.perf_counter()

    def answered(self, response: Any) -> None:
        """Keep the answer: LiteLLM tells of it later, and not at all where the event loop has ended by then."""
        self._response, self._ended = response, time.perf_counter()

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    @guarded
    def __del__(self) -> None:
        if self.is_over:
            return
        read = self._events.fields() if self._events else {}
        outcome = {} if self._ended else {"status": "error", "error_message": INTERRUPTED}
        read = fields_of(self._response) if self._response is not None else read
        model = None if names_model(read) else self._model
        duration = ((self._ended or time.perf_counter()) - self._started) * 1000
        current().track({"model": model, "request_duration": duration, **read, **outcome, **self.known})


class Callback(CustomLogger):  # type: ignore[misc, unused-ignore]
    """Whose a call is comes from `twinmeter.context`, or LiteLLM's `metadata={"user_id": ...}` or `user=`."""

    @guarded
    def log_pre_api_call(self, model: Any, messages: Any, kwargs: Fields) -> None:
        if _BEGUN not in kwargs:  # the outcome is told in a thread that knows no context
            kwargs[_BEGUN] = _Begun(with_reservation(_known_of(kwargs)), kwargs.get("model") or UNKNOWN_MODEL)

    @guarded
    def log_stream_event(self, kwargs: Fields, response_obj: Any, start_time: Any, end_time: Any) -> None:
        if _BEGUN in kwargs:
            kwargs[_BEGUN].take(response_obj)

    @guarded
    def log_success_event(self, kwargs: Fields, response_obj: Any, start_time: Any, end_time: Any) -> None:
        read = _with_cost(fields_of(response_obj), kwargs.get("response_cost"))
        model = None if names_model(read) else kwargs.get("model") or UNKNOWN_MODEL
        first = kwargs.get("completion_start_time") if kwargs.get("stream") else None
        facts = {"model": model, "cached": kwargs.get("cache_hit") or None, **read}
        _report(kwargs, start_time, end_time, {**facts, "time_to_first_token": _milliseconds(start_time, first)})

    @guarded
    def log_failure_event(self, kwargs: Fields, response_obj: Any, start_time: Any, end_time: Any) -> None:
        error = kwargs.get("exception")
        outcome = {"status": "error"}
        if isinstance(error, BaseException):
            outcome = {"status": status_of(error), "error_message": described(error)}
        _report(kwargs, start_time, end_time, {"model": kwargs.get("model") or UNKNOWN_MODEL, **outcome})

    async def async_post_call_success_deployment_hook(
        self, request_data: Fields, response: Any, call_type: Any
    ) -> None:
        self._answered(request_data, response)

    @guarded
    def _answered(self, request: Fields, response: Any) -> None:
        begun = request["litellm_logging_obj"].model_call_details.get(_BEGUN)
        if isinstance(begun, _Begun) and not hasattr(response, "__anext__"):
            begun.answered(response)

    async def async_log_stream_event(self, kwargs: Fields, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self.log_stream_event(kwargs, response_obj, start_time, end_time)

    async def async_log_success_event(self, kwargs: Fields, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self.log_success_event(kwargs, response_obj, start_time, end_time)

    async def async_log_failure_event(self, kwargs: Fields, response_obj: Any, start_time: Any, end_time: Any) -> None:
        self.log_failure_event(kwargs, response_obj, start_time, end_time)


def _known_of(kwargs: Mapping[str, Any]) -> Fields:
    operation = _OPERATIONS.get(str(kwargs.get("call_type")).lstrip("a"), CHAT)
    metadata = (kwargs.get("litellm_params") or {}).get("metadata") or {}
    users = (*(metadata.get(name) for name in _USERS), kwargs.get("user"), ANONYMOUS)
    return {
        "user_id": next(user for user in users if user),
        "content_type": operation.content_type,
        "service_type": operation.service_type,
        "provider": provider_of(kwargs.get("custom_llm_provider")),
        **{name: metadata[name] for name in TOLD if metadata.get(name)},
        **current_fields(),
    }


def _with_cost(read: Fields, cost: Any) -> Fields:
    """With what LiteLLM says that it cost: it writes that into the response too, but perhaps a moment later."""
    if not isinstance(cost, (int, float)) or not isinstance(read.get("response"), dict):
        return read
    return {**read, "response": {**read["response"], "_hidden_params": {"response_cost": cost}}}


def _report(kwargs: Mapping[str, Any], start: datetime, end: datetime, facts: Fields) -> None:
    begun = kwargs.get(_BEGUN)
    known = _known_of(kwargs)
    if isinstance(begun, _Begun):
        if begun.is_over:
            return
        begun.is_over = True
        known = begun.known
    current().track(
        {"request_id": _id_of(kwargs, start), "request_duration": _milliseconds(start, end), **facts, **known}
    )


def _id_of(kwargs: Mapping[str, Any], start: datetime) -> str | None:
    """The same for a call that is told of twice; its retries have the id of the call, but begin later."""
    call = kwargs.get("litellm_call_id")
    return f"litellm-{call}-{start.timestamp():.6f}" if isinstance(call, str) and len(call) <= _LONGEST_ID else None


def _milliseconds(start: datetime, end: datetime | None) -> float | None:
    return None if end is None else max((end - start).total_seconds() * 1000, 0.0)


litellm = Callback()
if litellm not in framework.callbacks:  # of `success_callback` alone, LiteLLM tells neither failures nor async calls
    framework.callbacks.append(litellm)
