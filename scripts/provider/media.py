"""OpenAI's pictures and sounds. Their usage is of four kinds: tokens, seconds, characters that nobody tells, none."""

import math
from base64 import b64encode

from scripts.provider.answers import Answer, Asked, Json, answer, named_events
from scripts.provider.chat import CREATED, ran
from scripts.provider.faults import Faults
from scripts.provider.texts import ident, pieces, tokens

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf500f0003860180"
    "5a347d6b0000000049454e44ae426082"
)
"""One pixel."""
IMAGE_TOKENS = {"low": 272, "medium": 1_056, "high": 4_160}
PARTIAL_TOKENS = 100
INPUT_IMAGE_TOKENS = 323
TRANSCRIPT = "The quick brown fox jumps over the lazy dog."
BYTES_PER_SECOND = 4_000
"""Of a recording: 32 kbit/s."""
SOUND = b"\xff\xf3\x44\xc4" + bytes(range(256)) * 8
SPEECH_PARTS = 8


def image(asked: Asked, model: str, _: Faults) -> Answer:
    """Of a text, or of pictures and a text."""
    fields = asked.fields
    count = int(fields.get("n") or 1)
    if not model.startswith("gpt-image"):
        wanted = fields.get("response_format") == "b64_json"
        one = {"b64_json": _picture()} if wanted else {"url": f"https://images.example/{ident('img-', asked)}.png"}
        said = {"revised_prompt": str(fields.get("prompt", ""))} if model == "dall-e-3" else {}
        return answer({"created": CREATED, "data": [{**said, **one}] * count}, indent=2)
    shown = {"background": "opaque", "output_format": "png", "quality": _quality(fields), "size": _size(fields)}
    usage = _image_usage(asked, count)
    if asked.streams:
        return _image_stream(asked, shown, usage)
    return answer({"created": CREATED, **shown, "data": [{"b64_json": _picture()}] * count, "usage": usage}, indent=2)


def video(asked: Asked, model: str, _: Faults) -> Answer:
    """The beginning of one."""
    fields = asked.fields
    said = {"seconds": str(fields.get("seconds", "4")), "size": fields.get("size", "720x1280")}
    begun = {"object": "video", "model": model, "status": "queued", "progress": 0, "created_at": CREATED}
    return answer({"id": ident("video_", asked), **begun, **said, "error": None})


def _picture() -> str:
    return b64encode(PNG).decode()


def _quality(fields: Json) -> str:
    quality = fields.get("quality")
    return quality if quality in IMAGE_TOKENS else "medium"


def _size(fields: Json) -> str:
    size = fields.get("size")
    return "1024x1024" if size in {None, "auto"} else str(size)


def _image_usage(asked: Asked, count: int) -> Json:
    fields = asked.fields
    partial = int(fields.get("partial_images") or 0) if asked.streams else 0
    text = tokens(str(fields.get("prompt", "")))
    given = INPUT_IMAGE_TOKENS * sum(isinstance(value, bytes) for value in fields.values())
    wrote = count * IMAGE_TOKENS[_quality(fields)] + partial * PARTIAL_TOKENS
    return {
        "input_tokens": text + given,
        "input_tokens_details": {"image_tokens": given, "text_tokens": text},
        "output_tokens": wrote,
        "total_tokens": text + given + wrote,
    }


def _image_stream(asked: Asked, shown: Json, usage: Json) -> Answer:
    kind = "image_edit" if asked.path.endswith("edits") else "image_generation"
    partial = {"type": f"{kind}.partial_image", "b64_json": _picture(), "created_at": CREATED, **shown}
    parts = [{**partial, "partial_image_index": n} for n in range(int(asked.fields.get("partial_images") or 0))]
    whole = {"type": f"{kind}.completed", "b64_json": _picture(), "created_at": CREATED, **shown, "usage": usage}
    return named_events([*parts, whole])


def transcription(asked: Asked, model: str, _: Faults) -> Answer:
    """What is said in a recording; a translation has the same form."""
    fields = asked.fields
    recording = fields.get("file", b"")
    seconds = math.ceil(len(recording) / BYTES_PER_SECOND)
    form = fields.get("response_format", "json")
    if form in {"text", "srt", "vtt"}:
        return Answer(content_type="text/plain; charset=utf-8", body=_written(form).encode())
    if not model.startswith("gpt-"):
        usage: Json = {"type": "duration", "seconds": seconds}
        if form == "verbose_json":
            return answer(_verbose(asked, seconds, usage))
        return answer({"text": TRANSCRIPT, "usage": usage})
    usage = _heard(seconds, tokens(str(fields.get("prompt", ""))))
    if asked.streams:
        parts = [{"type": "transcript.text.delta", "delta": piece} for piece in pieces(TRANSCRIPT)]
        return named_events([*parts, {"type": "transcript.text.done", "text": TRANSCRIPT, "usage": usage}])
    return answer({"text": TRANSCRIPT, "usage": usage})


def _heard(seconds: int, text: int) -> Json:
    sound, wrote = seconds * 10, tokens(TRANSCRIPT)
    return {
        "type": "tokens",
        "total_tokens": sound + text + wrote,
        "input_tokens": sound + text,
        "input_token_details": {"text_tokens": text, "audio_tokens": sound},
        "output_tokens": wrote,
    }


def _written(form: str) -> str:
    if form == "text":
        return f"{TRANSCRIPT}\n"
    comma = "," if form == "srt" else "."
    head = "1\n" if form == "srt" else "WEBVTT\n\n"
    return f"{head}00:00:00{comma}000 --> 00:00:03{comma}000\n{TRANSCRIPT}\n\n"


def _verbose(asked: Asked, seconds: int, usage: Json) -> Json:
    segment = {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": float(seconds),
        "text": TRANSCRIPT,
        "tokens": [50364],
        "temperature": 0.0,
        "avg_logprob": -0.28,
        "compression_ratio": 1.1,
        "no_speech_prob": 0.01,
    }
    task = "translate" if asked.path.endswith("translations") else "transcribe"
    head = {"task": task, "language": "english", "duration": float(seconds), "text": TRANSCRIPT}
    return {**head, "segments": [segment], "usage": usage}


def speech(asked: Asked, _: str, __: Faults) -> Answer:
    """Bytes of a sound, in parts; as events it says its usage."""
    fields = asked.fields
    if fields.get("stream_format") == "sse":
        sound = b64encode(SOUND).decode()
        read = tokens(str(fields.get("input", "")))
        usage = {"input_tokens": read, "output_tokens": 100, "total_tokens": read + 100}
        parts = [{"type": "speech.audio.delta", "audio": sound}] * SPEECH_PARTS
        return named_events([*parts, {"type": "speech.audio.done", "usage": usage}])
    types = {"wav": "audio/wav", "opus": "audio/opus", "aac": "audio/aac", "flac": "audio/flac", "pcm": "audio/pcm"}
    kind = types.get(fields.get("response_format", "mp3"), "audio/mpeg")
    return Answer(content_type=kind, events=(SOUND,) * SPEECH_PARTS)


def models(asked: Asked) -> Answer:
    """The list, or one of it, in OpenAI's form or in Anthropic's."""
    one = asked.path.rpartition("/models")[2].strip("/")
    if "anthropic-version" in asked.headers:
        rows = [_claude(name) for name in ("claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5")]
        listed = {"data": rows, "has_more": False, "first_id": rows[0]["id"], "last_id": rows[-1]["id"]}
        return answer(_claude(one) if one else listed)
    names = ["gpt-4o", "gpt-4o-mini", "gpt-5", "text-embedding-3-small", "gpt-image-1", "whisper-1", "tts-1"]
    rows = [_model(ran(name)) for name in names]
    return answer(_model(one) if one else {"object": "list", "data": rows}, indent=2)


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "system"}


def _claude(name: str) -> Json:
    return {
        "type": "model",
        "id": name,
        "display_name": name.replace("-", " ").title(),
        "created_at": "2025-10-01T00:00:00Z",
    }
