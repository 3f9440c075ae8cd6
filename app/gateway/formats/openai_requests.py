"""What requests to OpenAI's API ask for, and to all that is compatible with it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from app.gateway.formats.base import Api, GatewayError, Operation, Wanted
from app.gateway.formats.contents import Tally
from app.gateway.formats.forms import Form
from app.gateway.formats.members import Members, checked_word, decoded, invalid
from app.gateway.formats.sent import Pictures, Sent, most_seconds
from app.gateway.formats.tools import MOST_SEARCHES, Tools
from models import ServiceType

MOST_ANSWERS = 128
"""`n` at most: OpenAI's own bound for chats."""
_PLAIN_TIERS = frozenset({"default", "flex", "priority"})
_OWN_TOOLS = frozenset({"", "function", "custom", "namespace"})
"""Tools that the caller runs, and of which the request has all that the model is told."""
_DESCRIBED = frozenset({"computer", "computer_use_preview", "local_shell", "shell", "apply_patch"})
_SPOKEN = 20
"""Tokens of a character at most, where speech is sold by the token: 20 are a second, and nobody speaks as slowly."""
_DEFAULT_SECONDS, _DEFAULT_SIZE, _MOST_SECONDS = "4", "720x1280", 3_600
"""OpenAI's own, of a video of which they are not told."""
_ELSEWHERE = ("previous_response_id", "conversation", "prompt")
"""Members of a response's request that stand for input which is stored at the provider."""


def read(operation: Operation, content_type: str, body: bytes) -> Wanted:
    """What a request asks for. Raises GatewayError."""
    if content_type.lower().startswith("multipart/"):
        return _IN_FORMS.get(operation, _no_form)(operation, Form(content_type, body))
    return _IN_JSON[operation](operation, Members(body), len(body))


def _wanted(
    operation: Operation,
    source: Members | Form,
    asked: dict[str, Any],
    *,
    service_type: ServiceType,
    content_type: str,
    **told: Any,
) -> Wanted:
    if (model := source.word("model")) is None:
        raise invalid("model", "is required: the name of the model that is to answer")
    known = {name: value for name, value in asked.items() if value is not None}
    usual = {"stream": False, "asks_usage": True, "repeatable": False, "tools": False}
    return Wanted(
        Api.OPENAI,
        operation,
        model,
        user=_user(source),
        others=_others(source),
        asked=known,
        service_type=service_type,
        content_type=content_type,
        source=source,
        **{**usual, **told},
    )


def _others(source: Members | Form) -> tuple[str, ...]:
    names = source.value("models") if isinstance(source, Members) else None
    if names is None:
        return ()
    if not isinstance(names, list):
        raise invalid("models", "must be a list of names")
    return tuple(checked_word(name, "models") for name in names)


def _chat(operation: Operation, members: Members, size: int) -> Wanted:
    tally = Tally(size)
    tally.take_messages(members.raw("messages"))
    tools = Tools(members.raw("tools"), is_own=_DESCRIBED.__contains__, is_remote=_is_remote)
    tally.open_ended |= tools.remote or "plugins" in members
    tally.tool_tokens = tools.tokens
    answers = max(members.count("n", most=MOST_ANSWERS) or 1, 1)
    options = members.value("stream_options")
    most = [members.count(name) for name in ("max_completion_tokens", "max_tokens")]
    stream = members.flag("stream")
    return _wanted(
        operation,
        members,
        {
            "max_output_tokens": max((count for count in most if count is not None), default=None),
            "answers": answers if answers > 1 else None,
            "web_searches": answers if "web_search_options" in members else tools.most_uses or None,
            "service_tier": _tier(members),
        },
        stream=stream,
        asks_usage=not stream or (isinstance(options, dict) and options.get("include_usage") is True),
        repeatable=_is_cold(members) and answers == 1 and not tools.remote,
        tools=tools.any or "functions" in members,
        sent=tally.sent(),
        service_type=ServiceType.CHAT,
        content_type="chat",
    )


def _responses(operation: Operation, members: Members, size: int) -> Wanted:
    tally = Tally(size)
    tally.take_messages(members.raw("input"))
    tools = Tools(members.raw("tools"), is_own=_DESCRIBED.__contains__, is_remote=_is_remote)
    tally.open_ended |= tools.remote or any(name in members for name in _ELSEWHERE)
    tally.tool_tokens = tools.tokens
    bound = members.count("max_tool_calls")
    return _wanted(
        operation,
        members,
        {
            "max_output_tokens": members.count("max_output_tokens"),
            "web_searches": None if not tools.remote else MOST_SEARCHES if bound is None else bound,
            "service_tier": _tier(members),
        },
        stream=members.flag("stream"),
        repeatable=_is_cold(members) and not tally.open_ended,
        tools=tools.any,
        sent=tally.sent(),
        service_type=ServiceType.CHAT,
        content_type="chat",
    )


def _embeddings(operation: Operation, members: Members, size: int) -> Wanted:
    return _wanted(
        operation,
        members,
        {},
        repeatable=True,
        sent=Sent(size),
        service_type=ServiceType.EMBEDDING,
        content_type="embedding",
    )


def _images(operation: Operation, source: Members | Form, size: int) -> Wanted:
    count = max(source.count("n", most=MOST_ANSWERS) or 1, 1)
    said = {name: None if (word := source.word(name)) == "auto" else word for name in ("size", "quality")}
    files = len(source.files) if isinstance(source, Form) else 0
    return _wanted(
        operation,
        source,
        {"images": count, **said},
        stream=source.flag("stream"),
        sent=Sent(size, pictures=files, open_ended=not files and operation is Operation.IMAGE_EDITS),
        pictures=Pictures(count, said["size"], said["quality"], source.count("partial_images", most=10) or 0),
        service_type=ServiceType.IMAGE,
        content_type="image-generation",
    )


def _videos(operation: Operation, members: Members, size: int) -> Wanted:
    told = members.value("seconds")
    text = str(told) if isinstance(told, str | int) and told is not True else _DEFAULT_SECONDS if told is None else ""
    if not (text.isascii() and text.isdigit() and 0 < int(text[:5]) <= _MOST_SECONDS):
        raise invalid("seconds", f"must be a whole number from 1 to {_MOST_SECONDS}")
    return _wanted(
        operation,
        members,
        {"video_seconds": Decimal(text), "size": members.word("size") or _DEFAULT_SIZE},
        sent=Sent(size),
        service_type=ServiceType.VIDEO,
        content_type="video-generation",
    )


def _speech(operation: Operation, members: Members, size: int) -> Wanted:
    raw = members.raw("input")
    text = None if raw is None else decoded(raw, "input")
    if text is not None and not isinstance(text, str):
        raise invalid("input", "must be a string")
    return _wanted(
        operation,
        members,
        {"characters": len(text or ""), "max_output_tokens": _SPOKEN * len(text or "")},
        stream=members.word("stream_format") == "sse",
        sent=Sent(size),
        service_type=ServiceType.AUDIO,
        content_type="speech",
    )


def _image_form(operation: Operation, form: Form) -> Wanted:
    return _images(operation, form, form.text_bytes)


def _audio_form(operation: Operation, form: Form) -> Wanted:
    seconds = sum(most_seconds(form.size(file), form.head(file)) for file in form.files)
    return _wanted(
        operation,
        form,
        {"audio_seconds": seconds or None},
        stream=form.flag("stream"),
        sent=Sent(form.text_bytes, audio_seconds=seconds or Sent().audio_seconds, open_ended=not form.files),
        service_type=ServiceType.AUDIO,
        content_type="transcription",
    )


def _no_form(operation: Operation, _: Form) -> Wanted:
    raise GatewayError(400, "invalid_request", f"{operation} takes a JSON object, no multipart form")


def _no_json(operation: Operation, _: Members, __: int) -> Wanted:
    raise GatewayError(400, "invalid_request", f"{operation} takes a multipart form with the file, no JSON")


_IN_FORMS: dict[Operation, Callable[[Operation, Form], Wanted]] = {
    Operation.IMAGE_EDITS: _image_form,
    Operation.TRANSCRIPTIONS: _audio_form,
    Operation.TRANSLATIONS: _audio_form,
}
_IN_JSON: dict[Operation, Callable[[Operation, Members, int], Wanted]] = {
    Operation.CHAT: _chat,
    Operation.RESPONSES: _responses,
    Operation.EMBEDDINGS: _embeddings,
    Operation.IMAGES: _images,
    Operation.IMAGE_EDITS: _images,
    Operation.SPEECH: _speech,
    Operation.VIDEOS: _videos,
    Operation.TRANSCRIPTIONS: _no_json,
    Operation.TRANSLATIONS: _no_json,
}


def _user(source: Members | Form) -> str | None:
    """As it is told: whether it can be a user's name matters only where the key lets a body name one."""
    user = source.text("user") if isinstance(source, Form) else source.value("user")
    return user if isinstance(user, str) and user else None


def _is_cold(members: Members) -> bool:
    temperature = members.value("temperature")
    return type(temperature) in {int, float} and temperature == 0


def _is_remote(kind: str) -> bool:
    return kind not in _OWN_TOOLS and kind not in _DESCRIBED


def _tier(members: Members) -> str | None:
    """Only a tier that says how the call is billed: `auto` may be any."""
    tier = members.word("service_tier")
    return tier if tier in _PLAIN_TIERS else None
