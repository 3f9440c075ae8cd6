"""What the stand-in does wrong, asked for behind the name of a model (`gpt-4o--rst=3--slow=20`), by the header
`x-provider-fault: rst=3` (which an upstream's settings may add), or by `Provider.fail`.

| fault | what happens |
|---|---|
| `rate_limit=S` | 429 with Retry-After: S seconds (1) |
| `rate_limit_ms=N` | 429 with retry-after-ms |
| `error=N` | status N in the API's own form (500) |
| `echo=N` | the same, and its message repeats what was said to the model (400) |
| `html=N` | a page of HTML with status N (502); `html=200` in the place of JSON |
| `cut=N`, `rst=N` | closed or reset after N events of a stream, or bytes of a body (in the middle); -1: no answer |
| `silence=N` | the same, held open without another word |
| `late=N`, `slow=N` | N ms before the first byte; between events |
| `no_usage` | the answer does not say what was used |
| `no_stream` | a whole answer to who asked for a stream |
| `no_done` | a stream ends properly, but without the event that says so |
| `error_event=N` | an error as an event, after N events |
| `broken_json` | half of the JSON, properly sent |
| `huge=N` | a stream of about N MB |
| `split=N` | written N bytes at a time |
| `crlf`, `comments` | lines end with CRLF; comments between events |
| `gzip` | compressed, whatever was asked for |
| `length=N` | Content-Length promises N bytes more than there are (10) |
| `tokens=N` | no fault: the answer has N words |
"""

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from scripts.provider.answers import Answer, Api, End, Json, answer, compact

Faults = dict[str, float | None]

MARK = "--"
_USAGE = re.compile(rb'"(?:usage|usageMetadata|x_groq)"')
_USAGE_NAMES = frozenset({"usage", "usageMetadata", "x_groq"})
_PAGE = b"<html><head><title>%d</title></head><body><center><h1>%d</h1></center><hr>cloudflare</body></html>\r\n"
_KINDS = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error",
}  # fmt: skip
_GEMINI = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


def parsed(text: str) -> Faults:
    """`rst=3--slow=20`, by names."""
    parts = [part.partition("=") for part in text.split(MARK) if part]
    return {name: float(value) if value else None for name, _, value in parts}


def split_model(model: str) -> tuple[str, Faults]:
    """The name of a model, and what it was asked to do wrong."""
    name, _, faults = model.partition(MARK)
    return name, parsed(faults)


def error(api: Api, status: int, message: str, code: str | None = None) -> Answer:
    """An error in the form of the API."""
    kind = _KINDS.get(status, "api_error")
    if api is Api.ANTHROPIC:
        return answer(
            {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_error"}, status=status
        )
    if api is Api.GEMINI:
        gone = {"code": status, "message": message, "status": _GEMINI.get(status, "INTERNAL")}
        return answer({"error": gone}, indent=2, status=status)
    return answer({"error": {"message": message, "type": kind, "param": None, "code": code}}, indent=4, status=status)


def refused(api: Api, faults: Faults) -> Answer | None:
    """What is answered in the place of an answer; None: nothing is wrong with it yet."""
    if "rate_limit" in faults or "rate_limit_ms" in faults:
        refusal = error(api, 429, "Rate limit reached for requests", "rate_limit_exceeded")
        seconds, milliseconds = faults.get("rate_limit"), faults.get("rate_limit_ms")
        wait = ("retry-after-ms", f"{milliseconds:g}") if milliseconds else ("retry-after", f"{seconds or 1:g}")
        return replace(refusal, headers=(wait, ("x-ratelimit-remaining-requests", "0")))
    if "error" in faults:
        return error(api, int(faults["error"] or 500), "The server had an error while processing your request")
    if "html" in faults:
        status = int(faults["html"] or 502)
        return Answer(status, "text/html", _PAGE % (status, status))
    return None


def faulty(api: Api, found: Answer, faults: Faults) -> Answer:
    """An answer as it is sent with all that was asked for; an unknown fault is a KeyError."""
    for name, value in faults.items():
        if name not in _NOT_OF_ANSWERS:
            found = _CHANGES[name](api, found, value)
    return found


_NOT_OF_ANSWERS = frozenset({"rate_limit", "rate_limit_ms", "error", "echo", "html", "no_stream", "tokens"})


def _ends(end: End) -> Callable[[Api, Answer, float | None], Answer]:
    def change(_: Api, found: Answer, value: float | None) -> Answer:
        middle = (len(found.events) or len(found.body)) // 2
        return replace(found, end=end, sends=middle if value is None else int(value))

    return change


def _no_usage(_: Api, found: Answer, __: float | None) -> Answer:
    if not found.events:
        return (
            replace(found, body=json.dumps(_without_usage(json.loads(found.body))).encode())
            if found.body[:1] == b"{"
            else found
        )
    return replace(found, events=tuple(event for event in map(_event_without_usage, found.events) if event))


def _event_without_usage(event: bytes) -> bytes:
    head, mark, text = event.partition(b"data: ")
    if not _USAGE.search(text):
        return event
    value = _without_usage(json.loads(text))
    return b"" if value.get("choices") == [] else head + mark + compact(value) + b"\n\n"


def _without_usage(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_usage(each) for name, each in value.items() if name not in _USAGE_NAMES}
    return value


def _error_event(api: Api, found: Answer, value: float | None) -> Answer:
    kept = found.events[: len(found.events) // 2 if value is None else int(value)]
    told: Json = json.loads(error(api, 529 if api is Api.ANTHROPIC else 500, "The server is overloaded").body)
    named = b"event: error\n" if api is Api.ANTHROPIC else b""
    return replace(found, events=(*kept, named + b"data: %b\n\n" % compact(told)))


def _huge(_: Api, found: Answer, value: float | None) -> Answer:
    size = len(found.events[len(found.events) // 2])
    return replace(found, repeats=int((value or 100) * 1_000_000) // size)


def _split(_: Api, found: Answer, value: float | None) -> Answer:
    size, whole = int(value or 1), b"".join(found.events) or found.body
    return replace(found, body=b"", events=tuple(whole[at : at + size] for at in range(0, len(whole), size)))


def _gzip(_: Api, found: Answer, __: float | None) -> Answer:
    whole = gzip.compress(b"".join(found.events) or found.body, mtime=0)
    return replace(found, events=(), body=whole, headers=(*found.headers, ("content-encoding", "gzip")))


def _comments(_: Api, found: Answer, __: float | None) -> Answer:
    return replace(found, events=tuple(b": PROCESSING\n\n" + event for event in found.events))


_CHANGES: dict[str, Callable[[Api, Answer, float | None], Answer]] = {
    "cut": _ends(End.CUT),
    "rst": _ends(End.RESET),
    "silence": _ends(End.SILENCE),
    "late": lambda _, found, value: replace(found, late_ms=value or 1_000),
    "slow": lambda _, found, value: replace(found, slow_ms=value or 20),
    "no_usage": _no_usage,
    "no_done": lambda _, found, __: replace(found, events=found.events[:-1]),
    "error_event": _error_event,
    "broken_json": lambda _, found, __: replace(found, body=found.body[: len(found.body) // 2]),
    "huge": _huge,
    "split": _split,
    "crlf": lambda _, found, __: replace(found, events=tuple(each.replace(b"\n", b"\r\n") for each in found.events)),
    "comments": _comments,
    "gzip": _gzip,
    "length": lambda _, found, value: replace(found, extra_length=int(value or 10)),
}
