"""What `app.tracking` hands to applications: names that stay, wherever the code behind them moves."""

import subprocess
import sys

import pytest

import app.tracking
from app.tracking import TokenUsage, UnreadableUsageError, read_usage

NAMES = {
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
}


def test_every_public_name_is_there() -> None:
    assert set(app.tracking.__all__) == NAMES
    assert all(hasattr(app.tracking, name) for name in NAMES)


def test_the_usage_of_a_response_can_be_read_without_reporting_it() -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}

    assert read_usage({"usage": usage}, provider="openai") == TokenUsage(12, 5, cache_read_tokens=4)
    with pytest.raises(UnreadableUsageError):
        read_usage({"usage": {"prompt_tokens": "many"}}, provider="openai")


def test_an_application_loads_nothing_that_only_servers_need() -> None:
    loaded = "import sys, app.tracking; print(sys.modules.keys() & {'litestar', 'httpx', 'aiosmtplib', 'jinja2'})"

    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
