"""What a request asks for: found without its texts, bounded by what it says; changed only where it must be."""

import base64
import json
import struct
from decimal import Decimal
from typing import Any

import pytest

from app.gateway.formats.base import GatewayError, Operation, Wanted
from app.gateway.formats.sent import ANY_PICTURE, AUDIO_BYTES
from models import ServiceType
from tests.gateway.formats.answers import FORMATS, JSON, OPENAI, compact, form_of, wanted_by

FORM = "multipart/form-data; boundary=x"
PNG = "data:image/png;base64," + "A" * 40_000
HELLO = [{"role": "user", "content": "Hello"}]
SOUND = base64.b64encode(b"ID3" + b"x" * 7_497).decode()
"""7,500 bytes: at most 10 seconds."""
WAVE = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 0, b"WAVE", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16, b"data", 0)


def read(
    operation: Operation, body: Any, content_type: str = JSON, path_model: str | None = "gemini-2.5-pro"
) -> Wanted:
    sent = body if isinstance(body, bytes) else compact(body)
    return FORMATS[operation].read(operation, path_model, content_type, sent)


def chat(**told: Any) -> Wanted:
    return read(Operation.CHAT, {"model": "gpt-4o", "messages": HELLO, **told})


def of_parts(*parts: dict[str, Any], model: str = "gpt-4o") -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": list(parts)}]}


def test_a_chat_asks_for_what_it_says() -> None:
    body = {
        "model": "gpt-4o",
        "messages": HELLO,
        "stream": True,
        "stream_options": {"include_usage": True},
        "user": "u1",
        "max_completion_tokens": 20,
        "max_tokens": 10,
        "n": 3,
        "temperature": 0,
        "service_tier": "flex",
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
    wanted = read(Operation.CHAT, body)
    assert (wanted.model, wanted.stream, wanted.user, wanted.asks_usage) == ("gpt-4o", True, "u1", True)
    assert (wanted.tools, wanted.repeatable, wanted.counted) == (True, False, True)
    assert (wanted.service_type, wanted.content_type) == (ServiceType.CHAT, "chat")
    assert wanted.asked_of("gpt-4o") == {
        "input_bytes": len(compact(body)),
        "max_output_tokens": 20,
        "answers": 3,
        "service_tier": "flex",
    }


def test_a_body_s_user_that_is_no_name_is_left_to_who_looks_for_one() -> None:
    assert chat(user="u" * 300).user == "u" * 300
    for user in (None, "", 5, {"id": 1}):
        assert chat(user=user).user is None


def test_where_nothing_bounds_the_answer_nothing_is_said_of_it() -> None:
    assert "max_output_tokens" not in chat(max_tokens=None).asked_of("unheard-of")
    assert "service_tier" not in chat(service_tier="auto").asked_of("gpt-4o")


PICTURES: list[tuple[Operation, dict[str, Any], int]] = [
    (Operation.CHAT, of_parts({"type": "image_url", "image_url": {"url": PNG}}), 1_445),
    (Operation.CHAT, of_parts({"type": "image_url", "image_url": {"url": PNG}}, model="gpt-4o-mini"), 48_169),
    (Operation.CHAT, of_parts({"type": "image_url", "image_url": {"url": PNG}}, model="my-alias"), ANY_PICTURE),
    (
        Operation.RESPONSES,
        {"model": "gpt-4o", "input": [{"role": "user", "content": [{"type": "input_image", "image_url": PNG}]}]},
        1_445,
    ),
    (
        Operation.RESPONSES,
        {
            "model": "gpt-4o",
            "input": [{"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": PNG}}],
        },
        1_445,
    ),
    (
        Operation.MESSAGES,
        of_parts(
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 40_000}},
            model="claude-opus-4-8",
        ),
        4_784,
    ),
    (
        Operation.MESSAGES,
        of_parts(
            {
                "type": "tool_result",
                "tool_use_id": "t",
                "content": [{"type": "image", "source": {"type": "base64", "data": "A" * 40_000}}],
            },
            model="claude-opus-4-8",
        ),
        4_784,
    ),
    (
        Operation.GENERATE,
        {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "A" * 40_000}}]}]},
        4_128,
    ),
    (
        Operation.GENERATE,
        {"contents": {"parts": {"inline_data": {"mime_type": "image/png", "data": "A" * 40_000}}}},
        4_128,
    ),
]


@pytest.mark.parametrize(("operation", "body", "tokens"), PICTURES)
def test_the_base64_of_a_picture_is_no_text(operation: Operation, body: dict[str, Any], tokens: int) -> None:
    wanted = read(operation, body)
    found = wanted.asked_of(wanted.model)["input_bytes"]
    assert tokens < found < tokens + len(compact(body)) - 39_900


def test_a_picture_at_an_address_counts_as_one_and_its_address_as_text() -> None:
    body = of_parts({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}})
    assert read(Operation.CHAT, body).asked_of("gpt-4o")["input_bytes"] == len(compact(body)) + 1_445
    source = {"type": "url", "url": "https://example.org/a.png"}
    body = of_parts({"type": "image", "source": source}, model="claude-opus-4-8")
    assert read(Operation.MESSAGES, body).asked_of("claude-opus-4-8")["input_bytes"] == len(compact(body)) + 4_784


def test_the_bound_of_a_picture_is_that_of_the_model_that_answers() -> None:
    wanted = read(Operation.CHAT, of_parts({"type": "image_url", "image_url": {"url": PNG}}, model="fast"))
    bounds = {model: wanted.asked_of(model)["input_bytes"] for model in ("gpt-4o", "gpt-4o-mini", "unheard-of")}
    least = bounds["gpt-4o"] - 1_445
    assert bounds == {"gpt-4o": least + 1_445, "gpt-4o-mini": least + 48_169, "unheard-of": least + ANY_PICTURE}


SOUNDS: list[tuple[Operation, dict[str, Any]]] = [
    (Operation.CHAT, of_parts({"type": "input_audio", "input_audio": {"data": SOUND, "format": "mp3"}})),
    (Operation.GENERATE, {"contents": [{"parts": [{"inlineData": {"mimeType": "audio/mp3", "data": SOUND}}]}]}),
]


@pytest.mark.parametrize(("operation", "body"), SOUNDS)
def test_sound_is_bounded_by_the_seconds_that_it_may_last(operation: Operation, body: dict[str, Any]) -> None:
    wanted = read(operation, body)
    assert wanted.sent.audio_seconds == 10
    found = wanted.asked_of(wanted.model)["input_bytes"]
    assert found - 320 == pytest.approx(len(compact(body)) - len(SOUND), abs=2)


OPEN: list[tuple[Operation, dict[str, Any]]] = [
    (Operation.CHAT, of_parts({"type": "file", "file": {"file_id": "f"}})),
    (Operation.CHAT, of_parts({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}})),
    (Operation.CHAT, of_parts({"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}})),
    (Operation.CHAT, of_parts({"type": "\u0066ile", "file": {"file_id": "f"}})),
    (Operation.CHAT, {"model": "m", "messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}),
    (Operation.CHAT, {"model": "m", "messages": {"0": HELLO}}),
    (Operation.CHAT, {"model": "m", "messages": HELLO, "plugins": [{"id": "web"}]}),
    (Operation.RESPONSES, {"model": "m", "input": "x", "previous_response_id": "r"}),
    (Operation.RESPONSES, {"model": "m", "input": "x", "conversation": {"id": "c"}}),
    (Operation.RESPONSES, {"model": "m", "input": [{"type": "item_reference", "id": "i"}]}),
    (Operation.RESPONSES, {"model": "m", "input": [{"content": [{"type": "input_file", "file_id": "f"}]}]}),
    (Operation.RESPONSES, {"model": "m", "input": [{"content": [{"type": "input_image", "file_id": "f"}]}]}),
    (Operation.RESPONSES, {"model": "m", "input": "x", "tools": [{"type": "web_search"}]}),
    (Operation.RESPONSES, {"model": "m", "input": "x", "tools": [{"type": "web_search", "max_uses": "3"}]}),
    (Operation.CHAT, {"model": "m", "messages": HELLO, "tools": {"type": "web_search"}}),
    (Operation.MESSAGES, of_parts({"type": "document", "source": {"type": "base64", "data": "AAAA"}})),
    (Operation.MESSAGES, of_parts({"type": "document", "source": {"type": "url", "url": "https://e.org/a.pdf"}})),
    (Operation.MESSAGES, of_parts({"type": "container_upload", "file_id": "f"})),
    (Operation.MESSAGES, {"model": "m", "messages": HELLO, "mcp_servers": [{"url": "https://e.org"}]}),
    (Operation.MESSAGES, {"model": "m", "messages": HELLO, "tools": [{"type": "web_search_20250305"}]}),
    (Operation.GENERATE, {"contents": [{"parts": [{"fileData": {"fileUri": "https://e.org/a.mp4"}}]}]}),
    (Operation.GENERATE, {"contents": [{"parts": [{"inlineData": {"mimeType": "video/mp4", "data": "AA"}}]}]}),
    (Operation.GENERATE, {"contents": [], "cachedContent": "cachedContents/1"}),
    (Operation.GENERATE, {"contents": [], "tools": [{"googleSearch": {}}]}),
]


@pytest.mark.parametrize(("operation", "body"), OPEN)
def test_what_only_the_provider_sees_the_size_of_is_bounded_by_the_model_s_window(
    operation: Operation, body: dict[str, Any]
) -> None:
    wanted = read(operation, body)
    assert wanted.sent.open_ended
    assert "input_bytes" not in wanted.asked_of(wanted.model)
    assert not wanted.repeatable


CLOSED: list[tuple[Operation, dict[str, Any]]] = [
    (Operation.CHAT, {"model": "m", "messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]}),
    (Operation.CHAT, of_parts({"type": "text", "text": "see image_url and file_id"})),
    (Operation.RESPONSES, {"model": "m", "input": "x", "tools": [{"type": "function", "name": "f"}]}),
    (Operation.RESPONSES, {"model": "m", "input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}),
    (
        Operation.MESSAGES,
        {"model": "m", "system": [{"type": "text", "text": "s"}], "messages": [{"role": "user", "content": "x"}]},
    ),
    (
        Operation.MESSAGES,
        of_parts(
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "x"}]}},
            {"type": "tool_use", "id": "1", "name": "f", "input": {"file_id": "x"}},
        ),
    ),
    (Operation.GENERATE, {"contents": [{"parts": [{"text": "x"}, {"functionCall": {"name": "f", "args": {}}}]}]}),
    (Operation.BATCH_EMBED_CONTENTS, {"requests": [{"model": "models/m", "content": {"parts": [{"text": "x"}]}}]}),
]


@pytest.mark.parametrize(("operation", "body"), CLOSED)
def test_texts_are_bounded_by_their_bytes(operation: Operation, body: dict[str, Any]) -> None:
    wanted = read(operation, body)
    assert wanted.asked_of("m")["input_bytes"] == len(compact(body))


def test_searches_are_bounded_by_what_the_request_says_of_them() -> None:
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    assert read(Operation.MESSAGES, {"model": "m", "tools": [tool]}).asked["web_searches"] == 3
    asked = {"model": "m", "tools": [{"type": "web_search"}]}
    assert read(Operation.RESPONSES, {**asked, "max_tool_calls": 2}).asked["web_searches"] == 2
    assert read(Operation.RESPONSES, asked).asked["web_searches"] == 10
    assert chat(web_search_options={}).asked["web_searches"] == 1


def test_tools_that_the_provider_describes_itself_have_room() -> None:
    body = {"model": "m", "messages": HELLO, "tools": [{"type": "bash_20250124", "name": "bash"}]}
    assert read(Operation.MESSAGES, body).asked_of("m")["input_bytes"] == len(compact(body)) + 1_000


def test_a_message_asks_for_what_it_says() -> None:
    body = {"model": "claude-opus-4-8", "max_tokens": 9, "messages": HELLO, "metadata": {"user_id": "u1"}}
    wanted = read(Operation.MESSAGES, {**body, "temperature": 0})
    assert (wanted.user, wanted.asked["max_output_tokens"], wanted.repeatable) == ("u1", 9, True)
    assert not read(Operation.COUNT_TOKENS, body).counted


def test_gemini_s_request_asks_for_what_it_says_in_either_spelling() -> None:
    for config in ("generationConfig", "generation_config"):
        for most, answers in (("maxOutputTokens", "candidateCount"), ("max_output_tokens", "candidate_count")):
            wanted = read(
                Operation.STREAM_GENERATE,
                {"contents": [], config: {most: 9, answers: 2, "temperature": 0}},
                path_model="models/gemini-2.5-pro",
            )
            assert (wanted.model, wanted.stream) == ("gemini-2.5-pro", True)
            assert wanted.asked == {"max_output_tokens": 9, "answers": 2}
    assert not read(Operation.COUNT_CONTENT_TOKENS, {"contents": []}).counted


def test_pictures_are_bounded_by_their_number_size_and_quality() -> None:
    body = {"model": "gpt-image-1", "prompt": "x", "n": 2, "size": "1024x1024", "quality": "low", "partial_images": 3}
    wanted = read(Operation.IMAGES, {**body, "stream": True})
    assert wanted.stream
    assert wanted.asked == {"images": 2, "size": "1024x1024", "quality": "low"}
    assert wanted.asked_of("gpt-image-1")["max_output_tokens"] == 2 * (408 + 300)
    assert "max_output_tokens" not in wanted.asked_of("dall-e-3")
    plain = read(Operation.IMAGES, {"model": "dall-e-3", "prompt": "x", "size": "auto", "quality": "auto"})
    assert plain.asked == {"images": 1}


def test_speech_is_bounded_by_its_characters() -> None:
    wanted = read(Operation.SPEECH, {"model": "tts-1", "input": "Grüße 🙂", "voice": "alloy"})
    assert (wanted.asked["characters"], wanted.stream, wanted.service_type) == (7, False, ServiceType.AUDIO)
    assert wanted.asked["max_output_tokens"] == 140
    assert read(Operation.SPEECH, {"model": "tts-1", "input": "x", "stream_format": "sse"}).stream


def test_embeddings_are_repeatable_and_answer_no_tokens() -> None:
    for sent in ("x", ["x", "y"], [1, 2, 3], [[1, 2], [3]]):
        body = {"model": "text-embedding-3-small", "input": sent}
        wanted = read(Operation.EMBEDDINGS, body)
        assert (wanted.repeatable, wanted.asked_of("m")) == (True, {"input_bytes": len(compact(body))})


def test_a_form_has_its_model_and_the_length_of_its_sound() -> None:
    sound = b"x" * (AUDIO_BYTES * 60)
    fields = {"model": "whisper-1", "prompt": "names", "stream": "true"}
    wanted = read(Operation.TRANSCRIPTIONS, form_of(fields, {"file": sound}), FORM)
    assert (wanted.model, wanted.stream, wanted.content_type) == ("whisper-1", True, "transcription")
    assert wanted.asked["audio_seconds"] == 60
    assert wanted.asked_of("whisper-1")["input_bytes"] == len("whisper-1namestrue") + 60 * 32


def test_an_uncompressed_sound_is_as_long_as_its_head_says() -> None:
    form = form_of({"model": "whisper-1"}, {"file": WAVE + b"\0" * 320_000})
    seconds = read(Operation.TRANSCRIPTIONS, form, FORM).asked["audio_seconds"]
    assert 10 <= seconds < Decimal("10.01")
    lying = WAVE.replace(struct.pack("<II", 16_000, 32_000), struct.pack("<II", 4_000_000_000, 32_000))
    seconds = read(Operation.TRANSCRIPTIONS, form_of({"model": "m"}, {"file": lying + b"\0" * 1_536_000}), FORM)
    assert seconds.asked["audio_seconds"] >= 1


def test_pictures_that_are_edited_are_read_from_their_form() -> None:
    form = form_of({"model": "gpt-image-1", "prompt": "x", "n": "2"}, {"image[]": b"PNG" * 9, "mask": b"PNG"})
    wanted = read(Operation.IMAGE_EDITS, form, FORM)
    assert (wanted.asked["images"], wanted.sent.pictures) == (2, 2)


BAD: list[tuple[Operation, Any, str | None, str]] = [
    (Operation.CHAT, {"messages": HELLO}, "model", "is required"),
    (Operation.CHAT, {"model": None, "messages": HELLO}, "model", "is required"),
    (Operation.CHAT, {"model": 7}, "model", "must be a string"),
    (Operation.CHAT, {"model": ["a"]}, "model", "must be a string"),
    (Operation.CHAT, {"model": ""}, "model", "printable"),
    (Operation.CHAT, {"model": "a\x00b"}, "model", "printable"),
    (Operation.CHAT, {"model": "a\r\nx-evil: 1"}, "model", "printable"),
    (Operation.CHAT, {"model": "a" * 257}, "model", "1 to 256"),
    (Operation.CHAT, {"model": "a", "stream": "yes"}, "stream", "true or false"),
    (Operation.CHAT, {"model": "a", "n": 10**30}, "n", "from 0 to 128"),
    (Operation.CHAT, {"model": "a", "n": 129}, "n", "from 0 to 128"),
    (Operation.CHAT, {"model": "a", "n": -1}, "n", "from 0 to 128"),
    (Operation.CHAT, {"model": "a", "n": True}, "n", "whole number"),
    (Operation.CHAT, {"model": "a", "max_tokens": 1.5}, "max_tokens", "whole number"),
    (Operation.CHAT, {"model": "a", "max_tokens": "9"}, "max_tokens", "whole number"),
    (Operation.RESPONSES, {"model": "a", "max_output_tokens": -5}, "max_output_tokens", "whole number"),
    (Operation.MESSAGES, {"messages": HELLO}, "model", "is required"),
    (Operation.MESSAGES, {"model": "a", "max_tokens": -1}, "max_tokens", "whole number"),
    (Operation.GENERATE, {"generationConfig": {"maxOutputTokens": -1}}, "generationConfig.maxOutputTokens", "whole"),
    (Operation.SPEECH, {"model": "tts-1", "input": ["x"]}, "input", "must be a string"),
    (Operation.IMAGES, {"model": "dall-e-3", "n": 1_000_000}, "n", "from 0 to 128"),
    (Operation.TRANSCRIPTIONS, {"model": "whisper-1"}, None, "takes a multipart form"),
    (Operation.MESSAGES, {"model": "a", "metadata": {"user_id": "x" * 70_000}}, "metadata", "more than 65536 bytes"),
    (Operation.CHAT, b"", None, "has no body"),
    (Operation.CHAT, b"{", None, "no valid JSON"),
    (Operation.CHAT, b'{"model":"a","model":"b"}', None, "twice"),
]


@pytest.mark.parametrize(("operation", "body", "param", "reason"), BAD)
def test_a_request_that_cannot_be_used_is_refused_by_its_field(
    operation: Operation, body: Any, param: str | None, reason: str
) -> None:
    with pytest.raises(GatewayError, match=reason) as refused:
        read(operation, body)
    assert (refused.value.status, refused.value.param) == (400, param)


BAD_FORMS: list[tuple[str, bytes, str]] = [
    ("multipart/form-data", form_of({"model": "m"}, {}), "names no boundary"),
    (FORM, b"", "does not end"),
    (FORM, b"--x", "does not end"),
    (FORM, b"--x\r\n", "does not end"),
    (FORM, b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n", "without a name"),
    (FORM, form_of({"model": "m"}, {"file": b"x"})[:-10], "does not end"),
    (FORM, form_of({"prompt": "m"}, {"file": b"x"}), "model is required"),
    (FORM, b"--x\r\n".join([b"", *[form_of({"model": "m"}, {})[5:-7]] * 2]) + b"--x--\r\n", "told twice"),
    (FORM, form_of({"model": "m", "stream": "maybe"}, {}), "true or false"),
    (FORM, form_of({"model": "a\x00"}, {}), "printable"),
    (
        FORM,
        form_of({"model": "m"}, {"file": b'--x\r\nContent-Disposition: x; name="model"'}),
        "begins with its boundary",
    ),
    (FORM, b"--x\r\n" * 5_000, "without a name|does not end"),
]


@pytest.mark.parametrize(("content_type", "body", "reason"), BAD_FORMS)
def test_a_form_that_cannot_be_used_is_refused(content_type: str, body: bytes, reason: str) -> None:
    with pytest.raises(GatewayError, match=reason) as refused:
        read(Operation.TRANSCRIPTIONS, body, content_type)
    assert refused.value.status == 400


# What an upstream is sent


def test_without_an_alias_an_upstream_gets_the_very_same_bytes() -> None:
    for operation, body, content_type in (
        (Operation.CHAT, b' { "model" : "gpt-4o", "messages":[], "x":1.50 }', JSON),
        (Operation.MESSAGES, b'{"model":"gpt-4o","messages":[]}', JSON),
        (Operation.GENERATE, b'{"contents":[]}', JSON),
        (Operation.TRANSCRIPTIONS, form_of({"model": "gpt-4o"}, {"file": bytes(range(256))}), FORM),
    ):
        wanted = read(operation, body, content_type, "gpt-4o")
        assert FORMATS[operation].body_for(wanted, body, "gpt-4o") is body


def test_an_alias_is_put_in_place_of_the_model_and_of_nothing_else() -> None:
    body = b' { "messages":[{"content":"model"}], "model" : "fast", "x":1.50, "metadata":{"model":"fast"} }'
    wanted = read(Operation.CHAT, body)
    sent = OPENAI.body_for(wanted, body, "gpt-4o\u00e9")
    assert sent == body.replace(b'"model" : "fast"', '"model" : "gpt-4oé"'.encode())


def test_an_alias_is_put_into_a_form_whose_files_stay_as_they_are() -> None:
    for files in ({"file": bytes(range(256)) * 40}, {"file": b'\r\n--xy\r\nname="model"\r\n\r\nfast'}):
        body = form_of({"language": "fast", "model": "fast", "prompt": "fast"}, files)
        wanted = read(Operation.TRANSCRIPTIONS, body, 'multipart/form-data; charset=utf-8; boundary="x"')
        sent = OPENAI.body_for(wanted, body, "whisper-large-v3")
        assert sent == form_of({"language": "fast", "model": "whisper-large-v3", "prompt": "fast"}, files)


def test_gemini_s_body_follows_the_alias_where_it_names_a_model() -> None:
    gemini = FORMATS[Operation.GENERATE]
    body = b'{"model":"models/fast","content":{"parts":[]}}'
    wanted = read(Operation.EMBED_CONTENT, body, path_model="fast")
    assert gemini.body_for(wanted, body, "gemini-embedding-2") == body.replace(b"fast", b"gemini-embedding-2")
    body = b'{"requests":[{"model":"models/fast","content":{"parts":[{"text":"fast"}]}}]}'
    wanted = read(Operation.BATCH_EMBED_CONTENTS, body, path_model="fast")
    sent = json.loads(gemini.body_for(wanted, body, "gemini-embedding-2"))
    assert sent == {"requests": [{"model": "models/gemini-embedding-2", "content": {"parts": [{"text": "fast"}]}}]}
    body = b'{"contents":[]}'
    assert gemini.body_for(read(Operation.GENERATE, body, path_model="fast"), body, "other") is body


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (None, {"include_usage": True}),
        ({}, {"include_usage": True}),
        ({"include_usage": False}, {"include_usage": True}),
        ({"include_obfuscation": False}, {"include_obfuscation": False, "include_usage": True}),
    ],
)
def test_usage_is_asked_for_where_a_stream_does_not_ask(options: Any, sent: dict[str, Any]) -> None:
    told = {"model": "gpt-4o", "stream": True, "messages": HELLO}
    body = compact(told if options is None else {**told, "stream_options": options})
    wanted = read(Operation.CHAT, body)
    changed = OPENAI.body_for(wanted, body, "gpt-4o")
    assert json.loads(changed) == {**told, "stream_options": sent}
    assert compact(HELLO) in changed


def test_what_is_wrong_with_stream_options_is_the_provider_s_to_say() -> None:
    for options in ("x", [1], {"include_usage": "yes"}):
        body = compact({"model": "gpt-4o", "stream": True, "stream_options": options})
        assert OPENAI.body_for(read(Operation.CHAT, body), body, "gpt-4o") is body


def test_usage_is_not_asked_for_where_it_comes_by_itself() -> None:
    for told in ({"stream": False}, {}, {"stream": True, "stream_options": {"include_usage": True}}):
        body = compact({"model": "gpt-4o", **told})
        assert OPENAI.body_for(read(Operation.CHAT, body), body, "gpt-4o") is body
    body = compact({"model": "gpt-4o", "stream": True})
    assert OPENAI.body_for(read(Operation.RESPONSES, body), body, "gpt-4o") is body


def test_a_model_s_name_is_no_path() -> None:
    assert FORMATS[Operation.GENERATE].path_for(Operation.GENERATE, "../../x?y#z/a") == (
        "/v1beta/models/..%2F..%2Fx%3Fy%23z%2Fa:generateContent"
    )


def test_nothing_of_the_texts_is_kept() -> None:
    told = {"model": "gpt-4o", "messages": [{"role": "user", "content": "canary-7"}], "stream": True}
    wanted = read(Operation.CHAT, told)
    assert "canary" not in repr(wanted)
    assert "canary" not in str(wanted.asked_of("gpt-4o"))


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("gpt-4o", 16_384),
        ("gpt-4o-mini-2024-07-18", 16_384),
        ("openai/GPT-4o", 16_384),
        ("ft:gpt-4o-mini-2024-07-18:shop::x", 16_384),
        ("chatgpt-4o-latest", 16_384),
        ("gpt-4.1-nano", 32_768),
        ("gpt-4-turbo", 4_096),
        ("gpt-5", 128_000),
        ("gpt-5-mini-2025-08-07", 128_000),
        ("gpt-5.4", 128_000),
        ("gpt-5-pro", 272_000),
        ("o1", 100_000),
        ("o3-mini", 100_000),
        ("o4-mini", 100_000),
        ("google/gemini-2.5-pro", 65_536),
        ("gemini-2.0-flash", 8_192),
        ("gemini-2.0-flash-thinking-exp", 65_536),
        ("gpt-4", None),
        ("gpt-4o:extended", None),
        ("gpt-50", None),
        ("gpt-5.9", None),
        ("o11", None),
        ("our-gpt-4o", None),
        ("claude-opus-4-6", None),
    ],
)
def test_an_answer_that_nobody_bounds_is_as_long_as_its_model_answers(model: str, most: int | None) -> None:
    bodies: tuple[tuple[Operation, dict[str, Any]], ...] = (
        (Operation.CHAT, {"model": "a", "messages": HELLO}),
        (Operation.RESPONSES, {"model": "a", "input": "Hello"}),
        (Operation.GENERATE, {"contents": []}),
    )
    assert {read(*each).asked_of(model).get("max_output_tokens") for each in bodies} == {most}
    assert chat(max_tokens=7).asked_of(model)["max_output_tokens"] == 7
    assert "max_output_tokens" not in read(Operation.EMBEDDINGS, {"model": "a", "input": "b"}).asked_of(model)


@pytest.mark.parametrize("models", ["gpt-4o", {"a": 1}, [1], [""], ["a\nb"]])
def test_a_list_of_models_that_is_none_is_refused(models: object) -> None:
    with pytest.raises(GatewayError) as refused:
        wanted_by(Operation.CHAT, models=models)
    assert (refused.value.status, refused.value.param) == (400, "models")
