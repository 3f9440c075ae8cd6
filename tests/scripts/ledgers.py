"""Ledgers for the tests of commands: calls of every kind, and what a database holds."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bson import Decimal128

from app.database import Database
from app.tracking import Tracker

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

KINDS: list[dict[str, Any]] = [
    {"input_tokens": 1_000, "output_tokens": 500, "cache_read_tokens": 400, "request_duration": 812},
    {"input_tokens": 7, "output_tokens": 3, "cost": Decimal("0.123456789012345"), "clerk_user_id": "user_2abc"},
    {"tokens_used": 900, "conversation_id": '=talk, "one"', "metadata": {"a": 1, "b": 1.5, "c": True, "d": None}},
    {"cached": True, "input_tokens": 10, "output_tokens": 10, "metadata": {"x": "+1", "big": 2**60, "f": 1e22}},
    {"success": False, "error_message": "-1 is no\r\ntoken\0 \\0 \\", "request_duration": 30_000},
    {"status": "timeout", "error_message": "'quoted'", "time_to_first_token": 12},
    {"model": "a-model-nobody-sells", "provider": "acme", "content_type": "haiku", "input_tokens": 4},
    {"model": "gpt-4o", "provider": "google", "input_tokens": 4, "service_tier": "flex", "batch": True},
    {"model": "whisper-1", "content_type": "transcription", "audio_seconds": Decimal("12.5")},
    {"model": "dall-e-3", "content_type": "image-generation", "images": 2, "size": "1024x1024", "quality": "hd"},
    {"model": "gpt-4o", "unreadable_usage": True, "tokens_used": 77},
    {
        "upstream": "=eu",
        "attempts": [
            {"upstream": "us", "model": "+m", "reason": "dns"},
            {"upstream": "=eu", "model": "m", "status": 200, "milliseconds": 7},
        ],
    },
    {"content_type": "chat", "user_id": "@sum", "endpoint": "/é/ü", "campaign_id": "\u2028", "region": "eu"},
    {"synthetic": True, "input_tokens": 99, "output_tokens": 1},
    {"client_id": "acme", "input_tokens": 50_000, "output_tokens": 1, "reasoning_tokens": 1, "user_id": "-x"}
    | {"experiment": "=tone", "variant": "<b>", "campaign_id": "spring"},
    {"model": "claude-sonnet-4-5", "input_tokens": 9_000, "cache_write_tokens": 8_000, "cache_write_1h_tokens": 10},
    {"synthetic": True, "cached": True, "tokens_used": 12, "user_id": "=1+1", "conversation_id": "七\u2028\u0645"},
    {"content_type": "image-generation", "model": "dall-e-3", "user_id": "'o", "campaign_id": "\\N"},
]
REAL = sum(not kind.get("synthetic") for kind in KINDS)
FORMER = [
    {
        "cost": Decimal128("0.000000000000001"),
        "savedCost": Decimal128("-0.250000000000000"),
        "costSource": "priced",
        "priceVersion": "genai-prices 0.0.1",
        "at": datetime(2026, 4, 1, 8, 30, 0, 123_000, UTC),
    },
    {"cost": None, "savedCost": Decimal128("0.000000000000000"), "costSource": "unpriced", "at": NOON},
]
"""What `reprice` leaves behind."""


async def fill(tracker: Tracker, *, start: datetime = NOON, rounds: int = 3) -> int:
    """Report calls of every kind, over `rounds` days from `start`. Returns how many."""
    same = {"content_type": "summary", "model": "gpt-4o"}
    calls = [
        {
            **same,
            "user_id": f"u{number % 4}",
            **kind,
            "created_at": start + timedelta(days=day, minutes=37 * number, milliseconds=number),
        }
        for day in range(rounds)
        for number, kind in enumerate(KINDS)
    ]
    receipts = await asyncio.gather(*(tracker.track(**call) for call in calls))
    assert {receipt.status for receipt in receipts} == {"committed"}, receipts
    return len(calls)


async def dump(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Every document of every collection but the audit trail, in which a command tells of each of its runs."""
    names = sorted({*await database.writes.list_collection_names()} - {"audit_entries"})
    return {name: await database.writes[name].find().sort("_id").to_list(None) for name in names if "." not in name}
