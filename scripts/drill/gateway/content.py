"""Words in every place in which a request or an answer has room for them."""

from http import HTTPStatus

from scripts.drill.gateway.asking import Asking, Manner
from scripts.drill.gateway.questions import Body, sent
from scripts.drill.gateway.site import Site
from scripts.drill.server import DrillError

OF_CONTENT = "of-content"
"""The conversation of all of them."""
_BOUNDARY = "limit-of-a-part"


async def of_all_kinds(site: Site) -> list[int]:
    """Ask each of them twice: what is answered well is kept. Returns how many were answered well, and of those
    how many from the cache.

    Raises DrillError where one was not answered.
    """
    well = hits = 0
    kinds = [*_of_json(site.canary), *_of_forms(site.canary)]
    key = site.keys["cache"]
    said = {"authorization": f"Bearer {key}", "x-user-id": "content", "x-twinmeter-cache": "on"}
    said["x-twinmeter-conversation-id"] = OF_CONTENT
    for path, body, more in kinds * 2:
        heard = await Asking(Manner()).ask(site.server.address, sent(path, body, said | more))
        if not heard.status:
            raise DrillError(f"{path} was not answered")
        well += heard.status == HTTPStatus.OK
        hits += heard.headers.get("x-twinmeter-cache") == "hit"
    return [well, hits]


def _of_json(word: str) -> list[tuple[str, Body | bytes, dict[str, str]]]:
    said = [{"role": "system", "content": word}, {"role": "user", "content": f"{word} {word}"}]
    schema = {"type": "object", "properties": {word: {"const": word}}}
    tool = {"type": "function", "function": {"name": word, "description": word, "parameters": schema}}
    claude = {"name": word, "description": word, "input_schema": schema}
    chat = {"model": "gpt-4o-mini", "messages": said}
    claudes: Body = {"model": "claude-sonnet-4-5", "max_tokens": 20, "system": word, "messages": said[1:]}
    bodies: list[tuple[str, Body | bytes]] = [
        ("/v1/chat/completions", {**chat, "tools": [tool], "stream": True}),
        ("/v1/chat/completions", {**chat, "tools": [tool]}),
        ("/v1/chat/completions", {**chat, "metadata": {word: word}, "user": word, "stop": [word]}),
        (
            "/v1/chat/completions",
            {**chat, "response_format": {"type": "json_schema", "json_schema": {"schema": schema}}},
        ),
        ("/v1/chat/completions?" + word, chat),
        *(("/v1/chat/completions", {**chat, "model": f"gpt-4o-mini--{fault}"}) for fault in FAULTS),
        *(("/v1/chat/completions", {**chat, "model": f"gpt-4o-mini--{fault}", "stream": True}) for fault in FAULTS),
        ("/v1/messages", {**claudes, "tools": [claude]}),
        ("/v1/messages", {**claudes, "model": "claude-sonnet-4-5--echo=529"}),
        ("/v1/messages/count_tokens", claudes),
        ("/v1/responses", {"model": "gpt-4o-mini", "instructions": word, "input": word, "stream": True}),
        ("/v1/embeddings", {"model": "text-embedding-3-small", "input": [word, word]}),
        ("/v1/images/generations", {"model": "dall-e-3", "prompt": word, "size": "1024x1024"}),
        ("/v1/audio/speech", {"model": "tts-1", "input": word, "voice": "alloy"}),
        ("/v1beta/models/gemini-2.0-flash:generateContent", {"contents": [{"parts": [{"text": word}]}]}),
        *((f"/v1/{path}", {"prompt": word}) for path in ("generate", "chat", "chat/stream")),
        ("/v1/generate", {"prompt": word, word: word, "maxTokens": word}),
        ("/v1/images/generate", {"prompt": word, "model": "dall-e-3"}),
        # what is refused is not repeated anywhere, either
        ("/v1/chat/completions", b'{"model": "gpt-4o-mini", "messages": [{"content": "' + word.encode()),
        ("/v1/chat/completions", {"messages": said}),
        ("/v1/chat/completions", {**chat, "max_tokens": word, "n": word, "temperature": word}),
        ("/v1/messages", {**claudes, "max_tokens": word, "service_tier": word}),
        ("/v1/images/generations", {"model": "dall-e-3", "prompt": word, "size": word, "n": word, "quality": word}),
    ]
    return [(path, body, {}) for path, body in bodies]


FAULTS = ("echo=400", "echo=500", "broken_json", "rst=60", "no_usage")


def _of_forms(word: str) -> list[tuple[str, Body | bytes, dict[str, str]]]:
    fields = {"model": "whisper-1", "prompt": word, "response_format": "verbose_json", word: word}
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in fields.items()]
    head = f'Content-Disposition: form-data; name="file"; filename="{word}.mp3"\r\nContent-Type: audio/{word}\r\n\r\n'
    parts.append(head + word * 20)
    body = "".join(f"--{_BOUNDARY}\r\n{part}\r\n" for part in parts) + f"--{_BOUNDARY}--\r\n"
    return [
        (path, content.encode(), {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"})
        for path in ("/v1/audio/transcriptions", "/v1/audio/translations")
        for content in (body, body[: len(body) // 2])
    ]
