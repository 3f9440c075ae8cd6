"""Clients made by Stainless, as OpenAI's, Groq's and Anthropic's are: all requests go through one method, `request`.

It retries, and it returns a response, a stream, or the raw form of either. Only the instance is patched: the client
keeps its class, and other clients of that class stay as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import wraps
from typing import Any, Callable

from twinmeter.observation import Observation, guarded, guarded_whole
from twinmeter.streams import until_closed, until_collected, watched
from twinmeter.wrapping import MARK
from twinmeter.wrapping.bodies import PLAIN, Body, kind_of, read_body
from twinmeter.wrapping.operations import Operation, Starting

_REFUSING = frozenset({400, 422})
_QUESTION = "_twinmeter_question"
_ASYNC = 0x80
_OURS = frozenset({"request", "copy", "with_options", "__getstate__", MARK, _QUESTION})

Fields = dict[str, Any]


def watch(client: Any, operations: Mapping[str, Operation], fields: Fields, provider: Callable[[Any], str]) -> None:
    """Report the requests of `client` whose path is among `operations`. `provider` tells whose API it is."""
    own = vars(client)
    host = _Host(client, operations, fields, provider)
    request = client.request
    is_async = bool(request.__code__.co_flags & _ASYNC) if hasattr(request, "__code__") else False
    own["request"] = _asynchronous(host, request) if is_async else _synchronous(host, request)
    for name in ("copy", "with_options"):
        if hasattr(client, name):
            own[name] = _copying(client, getattr(client, name), fields)
    own["__getstate__"] = _state_of(client)


def _state_of(client: Any) -> Callable[[], Any]:
    """What `copy.copy` copies: without our methods, which are bound to this client, its address and its key."""
    original = getattr(client, "__getstate__", None)

    def state() -> Any:
        told = vars(client) if original is None else original()
        return {name: value for name, value in told.items() if name not in _OURS} if isinstance(told, dict) else told

    return state


def _copying(client: Any, original: Callable[..., Any], fields: Fields) -> Callable[..., Any]:
    @wraps(original)
    def copied(*args: Any, **kwargs: Any) -> Any:
        from twinmeter.wrapping import wrap  # noqa: PLC0415 - it imports this

        made = original(*args, **kwargs)
        _learn(made, client)
        return wrap(made, **fields)

    return copied


@guarded
def _learn(made: Any, client: Any) -> None:
    """A copy of a client that asks the same API knows what that one knows of it."""
    if made.base_url == client.base_url:
        vars(made)[_QUESTION] = vars(client)[_QUESTION]


class _Question:
    """Whether an API takes the question for the usage of a stream: None until one has been answered."""

    is_taken: bool | None = None


def _synchronous(host: _Host, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def request(*args: Any, **kwargs: Any) -> Any:
        starting = host.starting(args, kwargs)
        if starting is None:
            return original(*args, **kwargs)
        starting.ask()
        sent = host.begin(starting, args, kwargs)
        if sent is None:
            starting.give_back()
            return original(*args, **kwargs)
        while True:
            try:
                result = original(*sent.args, **sent.kwargs)
            except BaseException as error:
                if sent.is_refused(error):
                    continue
                raise
            sent.returned(result)
            return result

    return request


def _asynchronous(host: _Host, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    async def request(*args: Any, **kwargs: Any) -> Any:
        starting = host.starting(args, kwargs)
        if starting is None:
            return await original(*args, **kwargs)
        await starting.ask_later()
        sent = host.begin(starting, args, kwargs)
        if sent is None:
            starting.give_back()
            return await original(*args, **kwargs)
        while True:
            try:
                result = await original(*sent.args, **sent.kwargs)
            except BaseException as error:
                if sent.is_refused(error):
                    continue
                raise
            sent.returned(result)
            return result

    return request


class _Host:
    """A wrapped client, for its requests."""

    def __init__(
        self, client: Any, operations: Mapping[str, Operation], fields: Fields, provider: Callable[[Any], str]
    ) -> None:
        self._operations = operations
        self._fields = fields
        self._provider = provider(client)
        self.question: _Question = vars(client).setdefault(_QUESTION, _Question())

    @guarded_whole
    def starting(self, args: tuple[Any, ...], kwargs: Fields) -> Starting | None:
        """A call that is about to begin, if this request is one."""
        options, operation = self._operation(args, kwargs)
        if operation is None:
            return None
        body = _body_of(options)
        return Starting(operation, self._fields, body.get("model"), body, provider=self._provider)

    @guarded_whole
    def begin(self, starting: Starting, args: tuple[Any, ...], kwargs: Fields) -> _Sent:
        """It begins."""
        options, operation = self._operation(args, kwargs)
        facts = operation.asked(_body_of(options)) if operation and operation.asked else None
        sent = _Sent(self.question, starting.observation(), args, kwargs, facts)
        if sent.is_stream and operation and operation.asks_for_usage and self.question.is_taken is not False:
            sent.ask(options)
        return sent

    def _operation(self, args: tuple[Any, ...], kwargs: Fields) -> tuple[Any, Operation | None]:
        options = kwargs["options"] if "options" in kwargs else args[1]
        return options, self._operations.get(options.url) if options.method.lower() == "post" else None


def _body_of(options: Any) -> Mapping[str, Any]:
    return options.json_data if isinstance(options.json_data, Mapping) else {}


def _asking(options: Any) -> Any:
    """The same request, and asking for the usage; None where the caller asks for it himself."""
    extra = getattr(options, "extra_json", None)
    name = "extra_json" if isinstance(extra, Mapping) and "stream_options" in extra else "json_data"
    body = getattr(options, name)
    if not isinstance(body, Mapping):
        return None
    wanted = body.get("stream_options")
    wanted = dict(wanted) if isinstance(wanted, Mapping) else {}
    if wanted.get("include_usage"):
        return None
    asking = copy.copy(options)
    setattr(asking, name, {**body, "stream_options": {**wanted, "include_usage": True}})
    return asking


@guarded
def _is_only_usage(chunk: Any) -> bool:
    """Whether this is the chunk that nobody but us has asked for."""
    got: Callable[[str], Any] = chunk.get if isinstance(chunk, dict) else lambda name: getattr(chunk, name, None)
    return got("usage") is not None and got("choices") == []


@guarded
def _is_about_usage(error: BaseException, question: _Question) -> bool:
    if getattr(error, "status_code", None) not in _REFUSING:
        return False
    said = f"{error} {getattr(error, 'body', '')}"
    return question.is_taken is None or "stream_options" in said or "include_usage" in said


def _never(_: Any) -> bool:
    return False


class _Sent:
    """A request that is a model call."""

    def __init__(
        self, question: _Question, observation: Observation, args: tuple[Any, ...], kwargs: Fields, facts: Fields | None
    ) -> None:
        self._question = question
        self._observation = observation
        self.args = args
        self.kwargs = kwargs
        self.is_stream = bool(kwargs.get("stream"))
        self._facts = facts
        """What of the bill the request tells; None where the response does."""
        self._plain: tuple[tuple[Any, ...], Fields] | None = None
        """The request as the caller made it, where the one that is made asks for the usage too."""
        self._was_refused = False

    def ask(self, options: Any) -> None:
        """Ask for the usage, where the caller does not."""
        asking = _asking(options)
        if asking is None:
            return
        self._plain = self.args, self.kwargs
        if "options" in self.kwargs:
            self.kwargs = {**self.kwargs, "options": asking}
        else:
            self.args = (self.args[0], asking, *self.args[2:])

    def is_refused(self, error: BaseException) -> bool:
        """Whether it may be our question that the API refuses: then the call is made as the caller made it.

        That is where the API says so, and where it has never taken the question before.
        """
        if self._plain is not None and _is_about_usage(error, self._question):
            self.args, self.kwargs = self._plain
            self._plain, self._was_refused = None, True
            return True
        self._observation.failed(error)
        return False

    def returned(self, result: Any) -> None:
        """Take what the client has for its caller."""
        if self._plain is not None or self._was_refused:
            self._question.is_taken = not self._was_refused
        if not self._seen(result):
            self._observation.not_seen()

    @guarded
    def _seen(self, result: Any) -> bool:
        hides = _never if self._plain is None else _is_only_usage
        http = getattr(result, "http_response", None)
        if self.is_stream and http is None and hasattr(result, "_iterator"):
            # all ways to read a stream come from here
            result._iterator = watched(result._iterator, self._observation, hides=hides)  # noqa: SLF001
            until_closed(result.response, self._observation)
            until_collected(result, self._observation)
        elif http is None:
            self._complete(result)
        elif hasattr(http, "_content"):  # it was read
            self._complete(read_body(http.content) if kind_of(http) == PLAIN else http.text)
        else:
            Body(http, self._observation, hides, self._facts).watch()
        return True

    def _complete(self, response: Any) -> None:
        if self._facts is None:
            self._observation.returned(response)
        else:
            self._observation.knows(self._facts)
            self._observation.over()
