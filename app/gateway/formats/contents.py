"""What the parts of a conversation hold: pictures and sounds are counted, texts are passed over.

Whatever is of no kind that is known here may stand for more than its own bytes, and makes the request open-ended.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from app.gateway.formats.sent import Sent, seconds_of_base64

_NONE = Raw(b"")
_DEPTH = 5
"""Messages hold results of tools, which hold documents, which hold parts: nothing is deeper."""
_OF_TEXT = frozenset(
    {
        *("text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text"),
        *("thinking", "redacted_thinking", "tool_use", "server_tool_use", "tool_reference", "search_result"),
        *("web_search_result", "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result"),
        *("bash_code_execution_tool_result", "text_editor_code_execution_tool_result", "tool_search_tool_result"),
        *("tool_result", "mcp_tool_use", "mcp_tool_result", "compaction"),
    }
)


class _Source(Struct):
    type: str = ""
    data: Raw = _NONE
    content: str | list[_Part] | None = None


class _Part(Struct):
    """A message, an item, or a part of one, of OpenAI's or Anthropic's."""

    type: str = "message"
    content: str | list[_Part] | _Part | None = None
    output: str | list[_Part] | _Part | None = None
    image_url: Raw = _NONE
    input_audio: _Source | None = None
    source: _Source | None = None
    file_id: str | None = None
    audio: dict[str, Raw] | None = None
    result: Raw = _NONE


class _Url(Struct):
    url: Raw = _NONE


class _Inline(Struct):
    mime_type: str = ""
    mime_type_: str = field(default="", name="mimeType")
    data: Raw = _NONE


class _GeminiPart(Struct):
    inline: _Inline | None = field(default=None, name="inlineData")
    inline_: _Inline | None = field(default=None, name="inline_data")
    file: Raw = field(default=_NONE, name="fileData")
    file_: Raw = field(default=_NONE, name="file_data")
    result: _GeminiContent | None = field(default=None, name="functionResponse")
    result_: _GeminiContent | None = field(default=None, name="function_response")


class _GeminiContent(Struct):
    parts: list[_GeminiPart] | _GeminiPart | None = None


_MESSAGES = msgspec.json.Decoder(str | list[_Part])
_URL = msgspec.json.Decoder(_Url)
_CONTENTS = msgspec.json.Decoder(list[_GeminiContent] | _GeminiContent)


class Tally:
    """What was found so far, in any number of members of one request."""

    def __init__(self, body_bytes: int) -> None:
        self.text_bytes = body_bytes
        self.pictures = 0
        self.audio_seconds = Decimal(0)
        self.tool_tokens = 0
        self.open_ended = False

    def sent(self) -> Sent:
        """All of it."""
        return Sent(
            max(self.text_bytes, 0), self.pictures, self.audio_seconds, self.tool_tokens, open_ended=self.open_ended
        )

    def take_messages(self, raw: Raw | None) -> None:
        """A list of messages, of OpenAI's or Anthropic's, or of items of OpenAI's responses, or a text alone. What is
        not of this form leaves the request open-ended: the provider will say what is wrong with it.
        """
        if raw is None:
            return
        try:
            messages = _MESSAGES.decode(raw)
            if type(messages) is list:
                for message in messages:
                    self._take(message, 0)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.open_ended = True

    def take_contents(self, raw: Raw | None) -> None:
        """Gemini's contents, a list of them or one. Its names are taken in both spellings, as Google does."""
        if raw is None:
            return
        try:
            contents = _CONTENTS.decode(raw)
            for content in contents if type(contents) is list else [contents]:
                self._take_gemini(content, 0)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.open_ended = True

    def _take(self, part: _Part, depth: int) -> None:
        if depth:
            if self._take_medium(part, depth):
                return
            self.open_ended |= part.type not in _OF_TEXT or depth > _DEPTH
        elif part.type == "image_generation_call":
            self._take_bytes(part.result)
            self.pictures += 1
        elif part.type == "item_reference":
            self.open_ended = True
        if part.file_id is not None or part.audio is not None:
            self.open_ended = True  # stored at the provider: a file, or the sound of an answer of before
        for inner in (part.content, part.output):
            if type(inner) is list:
                for each in inner:
                    self._take(each, depth + 1)
            elif type(inner) is _Part:
                self._take(inner, depth + 1)

    def _take_medium(self, part: _Part, depth: int) -> bool:
        """Whether it is a picture, a sound or a document."""
        match part.type:
            case "image_url" | "input_image" | "computer_screenshot" if part.file_id is None:
                self._take_picture(part.image_url)
            case "input_audio" if part.input_audio is not None:
                self._take_sound(part.input_audio.data)
            case "image" if part.source is not None:
                self._take_source(part.source)
            case "document" if part.source is not None:
                self._take_document(part.source, depth)
            case _:
                return False
        return True

    def _take_picture(self, url: Raw) -> None:
        """At an address, as a data URL or not: told as the text itself, or as `{"url": ...}`."""
        self.pictures += 1
        if _begins(url, b"{"):
            url = _URL.decode(url).url
        if _begins(url, b'"data:'):
            self._take_bytes(url)

    def _take_source(self, source: _Source) -> None:
        self.pictures += 1
        if source.type == "base64":
            self._take_bytes(source.data)

    def _take_document(self, source: _Source, depth: int) -> None:
        """A PDF has pages that nobody has counted, each a text and a picture."""
        if source.type == "content" and type(source.content) is list:
            for part in source.content:
                self._take(part, depth + 1)
        elif source.type not in {"text", "content"}:
            self.open_ended = True

    def _take_sound(self, data: Raw) -> None:
        encoded = bytes(data).strip(b'"')
        self.audio_seconds += seconds_of_base64(encoded)
        self._take_bytes(data)

    def _take_bytes(self, base64: Raw) -> None:
        """They are no text."""
        self.text_bytes -= len(memoryview(base64))

    def _take_gemini(self, content: Any, depth: int) -> None:
        parts = content.parts
        for part in parts if type(parts) is list else [] if parts is None else [parts]:
            if part.file != _NONE or part.file_ != _NONE or depth > _DEPTH:
                self.open_ended = True
            for inline in (part.inline, part.inline_):
                if inline is not None:
                    self._take_inline(inline)
            for result in (part.result, part.result_):
                if result is not None:
                    self._take_gemini(result, depth + 1)

    def _take_inline(self, inline: _Inline) -> None:
        match (inline.mime_type or inline.mime_type_).partition("/")[0]:
            case "text":
                return
            case "image":
                self.pictures += 1
                self._take_bytes(inline.data)
            case "audio":
                self._take_sound(inline.data)
            case _:
                self.open_ended = True


def _begins(raw: Raw, mark: bytes) -> bool:
    return memoryview(raw)[: len(mark)].tobytes() == mark
