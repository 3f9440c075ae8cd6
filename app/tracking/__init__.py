"""The write path. An AI endpoint reports each model call once, with `track_ai_request`."""

from app.ledger.outcomes import ReceiptStatus
from app.limits.answers import LimitsUnavailableError
from app.limits.decisions import Decision
from app.limits.refusals import QuotaExceededError, UnboundedAskError
from app.tracking.api import (
    check_usage_limit,
    flush,
    open_tracker,
    reserve_ai_call,
    track_ai_call,
    track_ai_request,
    tracking,
)
from app.tracking.providers import (
    track_anthropic_usage,
    track_gemini_usage,
    track_groq_usage,
    track_image_usage,
    track_openai_usage,
    track_video_usage,
    track_whisper_usage,
)
from app.tracking.receipt import Flushed, TrackReceipt
from app.tracking.reservation import AIReservation
from app.tracking.tracker import Tracker
from app.usage.reader import UnreadableUsageError, read_usage
from models import TokenUsage
from models.call import AICall
from models.faults import Fault

__all__ = [
    "AICall",
    "AIReservation",
    "Decision",
    "Fault",
    "Flushed",
    "LimitsUnavailableError",
    "QuotaExceededError",
    "ReceiptStatus",
    "TokenUsage",
    "TrackReceipt",
    "Tracker",
    "UnboundedAskError",
    "UnreadableUsageError",
    "check_usage_limit",
    "flush",
    "open_tracker",
    "read_usage",
    "reserve_ai_call",
    "track_ai_call",
    "track_ai_request",
    "track_anthropic_usage",
    "track_gemini_usage",
    "track_groq_usage",
    "track_image_usage",
    "track_openai_usage",
    "track_video_usage",
    "track_whisper_usage",
    "tracking",
]
