"""One-line helpers to report a response, by provider. Each is one call of the tracker.

`response` is what the provider returned, or the list of its stream's events; `reported` takes every field of `AICall`.
None of them raises: the receipt is the outcome.
"""

from decimal import Decimal
from typing import Any

from app.tracking.api import track_ai_request
from app.tracking.receipt import TrackReceipt
from app.usage.responses import reported_of, reported_of_stream, unless_told
from models.call import UNKNOWN_MODEL


async def track_openai_usage(response: Any, *, user_id: str, content_type: str, **reported: Any) -> TrackReceipt:
    """A response of OpenAI: chat, responses or embeddings."""
    return await _track("openai", response, {"user_id": user_id, "content_type": content_type, **reported})


async def track_groq_usage(response: Any, *, user_id: str, content_type: str, **reported: Any) -> TrackReceipt:
    """A response of Groq."""
    return await _track("groq", response, {"user_id": user_id, "content_type": content_type, **reported})


async def track_anthropic_usage(response: Any, *, user_id: str, content_type: str, **reported: Any) -> TrackReceipt:
    """A message of Anthropic."""
    return await _track("anthropic", response, {"user_id": user_id, "content_type": content_type, **reported})


async def track_gemini_usage(response: Any, *, user_id: str, content_type: str, **reported: Any) -> TrackReceipt:
    """A response of Gemini."""
    return await _track("google", response, {"user_id": user_id, "content_type": content_type, **reported})


async def track_whisper_usage(
    seconds: Decimal | float, *, user_id: str, model: str = "whisper-1", provider: str = "openai", **reported: Any
) -> TrackReceipt:
    """A transcription of this many seconds of audio."""
    known = {"content_type": "transcription", "audio_seconds": seconds, **reported}
    return await track_ai_request(user_id=user_id, model=model, provider=provider, **known)


async def track_image_usage(
    images: int, *, user_id: str, model: str, size: str | None = None, quality: str | None = None, **reported: Any
) -> TrackReceipt:
    """Generated images of one size and quality."""
    known = {"content_type": "image-generation", "images": images, "size": size, "quality": quality, **reported}
    return await track_ai_request(user_id=user_id, model=model, **known)


async def track_video_usage(
    seconds: Decimal | float, *, user_id: str, model: str, size: str | None = None, **reported: Any
) -> TrackReceipt:
    """A generated video of this many seconds."""
    known = {"content_type": "video-generation", "video_seconds": seconds, "size": size, **reported}
    return await track_ai_request(user_id=user_id, model=model, **known)


async def _track(provider: str, response: Any, reported: dict[str, Any]) -> TrackReceipt:
    read = reported_of_stream if isinstance(response, list) else reported_of
    known = {"model": UNKNOWN_MODEL, "provider": provider}
    known |= read(response, reported.get("provider", provider), reported.get("model"))
    return await track_ai_request(**unless_told(known, reported))
