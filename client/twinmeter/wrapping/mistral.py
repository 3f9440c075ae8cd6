"""Mistral's clients: `Mistral`, `MistralAzure`, `MistralGCP`, whose parts are made when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from typing import Any, Callable, Union

from twinmeter.observation import Observation, guarded, guarded_whole
from twinmeter.streams import until_closed, until_collected, watched
from twinmeter.wrapping.operations import CHAT, EMBEDDING, TRANSCRIPTION, Operation, Starting

Fields = dict[str, Any]
Start = Callable[[Operation, Mapping[str, Any]], Union[Starting, None]]

_SPEECH = Operation("speech", "audio")
_OCR = Operation("ocr")
_PARTS: dict[str, dict[str, Operation]] = {
    "chat": {"complete": CHAT, "stream": CHAT},
    "fim": {"complete": CHAT, "stream": CHAT},
    "agents": {"complete": CHAT, "stream": CHAT},
    "responses": {"create": CHAT},
    "embeddings": {"create": EMBEDDING},
    "ocr": {"process": _OCR},
    "transcriptions": {"complete": TRANSCRIPTION, "stream": TRANSCRIPTION},
    "speech": {"complete": _SPEECH},
    "conversations": {
        "start": CHAT,
        "append": CHAT,
        "restart": CHAT,
        "start_stream": CHAT,
        "append_stream": CHAT,
        "restart_stream": CHAT,
    },
}
"""Of the parts, the methods that are calls of a model. Each has a sibling named `..._async`."""
_INNER = ("transcriptions", "speech", "conversations")
_OUTER = ("audio", "beta")
"""Parts with parts of their own."""


def wrap(client: Any, fields: Fields) -> None:
    """Report the calls of one client."""
    own = vars(client)
    start = _starting(fields, _provider_of(client))
    for name in (*_PARTS, *_OUTER):
        if name in own:
            _watch_part(name, own[name], start)
    if hasattr(client, "dynamic_import") and hasattr(client, "_sub_sdk_map"):
        names = {module: name for name, (module, _) in client._sub_sdk_map.items()}  # noqa: SLF001 - it has no other
        own["dynamic_import"] = _importing(client.dynamic_import, names, start)


def _importing(original: Callable[..., Any], names: Mapping[str, str], start: Start) -> Callable[..., Any]:
    """A part is made by the class of this name in the module that this imports."""

    @wraps(original)
    def dynamic_import(module: str, *args: Any, **kwargs: Any) -> Any:
        return _Making(original(module, *args, **kwargs), names.get(module, ""), start)

    return dynamic_import


class _Making:
    """A module, whose classes make parts that are watched."""

    def __init__(self, module: Any, name: str, start: Start) -> None:
        self._module = module
        self._name = name
        self._start = start

    def __getattr__(self, name: str) -> Any:
        kind = getattr(self._module, name)

        def make(*args: Any, **kwargs: Any) -> Any:
            part = kind(*args, **kwargs)
            _watch_part(self._name, part, self._start)
            return part

        return make


@guarded
def _watch_part(name: str, part: Any, start: Start) -> None:
    own = vars(part)
    if name in _OUTER:
        for inner in _INNER:
            if inner in own:
                _watch_part(inner, own[inner], start)
        return
    for method, operation in _PARTS.get(name, {}).items():
        if hasattr(part, method):
            own[method] = _synchronous(getattr(part, method), operation, start)
        if hasattr(part, f"{method}_async"):
            own[f"{method}_async"] = _asynchronous(getattr(part, f"{method}_async"), operation, start)


def _synchronous(original: Callable[..., Any], operation: Operation, start: Start) -> Callable[..., Any]:
    @wraps(original)
    def called(*args: Any, **kwargs: Any) -> Any:
        starting = start(operation, kwargs)
        if starting is None:
            return original(*args, **kwargs)
        starting.ask()
        observation = starting.observation()
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            observation.failed(error)
            raise
        _returned(result, observation)
        return result

    return called


def _asynchronous(original: Callable[..., Any], operation: Operation, start: Start) -> Callable[..., Any]:
    @wraps(original)
    async def called(*args: Any, **kwargs: Any) -> Any:
        starting = start(operation, kwargs)
        if starting is None:
            return await original(*args, **kwargs)
        await starting.ask_later()
        observation = starting.observation()
        try:
            result = await original(*args, **kwargs)
        except BaseException as error:
            observation.failed(error)
            raise
        _returned(result, observation)
        return result

    return called


def _starting(fields: Fields, provider: str) -> Start:
    @guarded_whole
    def start(operation: Operation, asked: Mapping[str, Any]) -> Starting:
        return Starting(operation, fields, asked.get("model"), asked, provider=provider)

    return start


def _provider_of(client: Any) -> str:
    package = type(client).__module__.split(".")
    return "azure" if "azure" in package else "google" if "gcp" in package else "mistral"


def _returned(result: Any, observation: Observation) -> None:
    if not _seen(result, observation):
        observation.not_seen()


@guarded
def _seen(result: Any, observation: Observation) -> bool:
    if hasattr(result, "generator") and hasattr(result, "response"):
        result.generator = watched(result.generator, observation)
        until_closed(result.response, observation)
        until_collected(result, observation)
    else:
        observation.returned(result)
    return True
