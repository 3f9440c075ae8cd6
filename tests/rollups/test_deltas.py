"""What a call adds to the rollups, and from which of its fields."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.database import Database
from app.ledger.recording import Recorder
from app.ledger.templates import TemplatePair, counted
from app.rollups.deltas import COUNTED_FIELDS, Increments
from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from app.rollups.usage_sums import Columns
from app.settings import Settings
from models.call import AICall
from models.documents import Document
from models.money import from_units
from models.rollups import OPTIONAL_AMOUNTS, OPTIONAL_COUNTS, TOTALS
from tests.pricing.test_costs import Book

ENTRY: Document = {
    "_id": 1,
    "schemaVersion": 1,
    "userId": "u",
    "clientId": "c",
    "conversationId": "k",
    "contentType": "odd",
    "unmapped": True,
    "feature": "odd",
    "serviceType": "chat",
    "provider": "openai",
    "reportedProvider": "groq",
    "aiModel": "gpt-4o",
    "status": "error",
    "success": False,
    "cached": True,
    "inputTokens": 7,
    "outputTokens": 5,
    "tokensUsed": 12,
    "cost": from_units(3),
    "savedCost": from_units(2),
    "costSource": "estimated",
    "unreadableUsage": True,
    "requestDuration": 40,
    "timeToFirstToken": 4,
    "synthetic": False,
    "createdAt": datetime(2026, 10, 1, 12, 0, tzinfo=UTC),
    "recordedAt": datetime(2026, 10, 1, 12, 0, tzinfo=UTC),
    "unpricedReason": "model_unknown: of a test",
    "aggregated": True,
    "campaignId": "spring",
    "experiment": "tone",
    "variant": "b",
    "metadata": {"a": 1},
    **dict.fromkeys(OPTIONAL_COUNTS, 1),
    **dict.fromkeys(OPTIONAL_AMOUNTS, from_units(1)),
}


class Watched(dict[str, Any]):
    """An entry that notes what is asked of it."""

    def __init__(self, entry: Document) -> None:
        super().__init__(entry)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)


async def test_a_recount_reads_every_field_that_is_counted_and_no_other(database: Database) -> None:
    entry = Watched({**ENTRY, "costSource": "unpriced"})

    Increments(LocalTime(ZoneInfo("UTC")), NameCaps(database)).add(entry)

    assert entry.asked == set(COUNTED_FIELDS)


async def test_each_total_is_counted_under_its_own_name(database: Database) -> None:
    increments = Increments(LocalTime(ZoneInfo("UTC")), NameCaps(database))
    increments.add(ENTRY)
    increments.add({**ENTRY, "cost": None, "costSource": "unpriced", "success": True, "requestDuration": None})
    await asyncio.to_thread(increments.admit_names)

    (row,) = increments.rows()["usage"]

    counted = {name: row.get(name, 0) for name in TOTALS}
    assert {**counted, "cost": str(counted["cost"]), "savedCost": str(counted["savedCost"])} == {
        "requests": 2,
        "successes": 1,
        "cached": 2,
        "inputTokens": 14,
        "outputTokens": 10,
        "tokensUsed": 24,
        "unpriced": 1,
        "estimated": 1,
        "duration": 40,
        "durations": 1,
        "cost": "3E-15",
        "savedCost": "4E-15",
    }


def rows_of(entries: list[Document], columns: list[Columns], database: Database) -> dict[str, Any]:
    """What they add, whatever the order."""
    increments = Increments(LocalTime(ZoneInfo("Europe/Berlin")), NameCaps(database))
    for entry in entries:
        increments.add(entry)
    for alike in columns:
        increments.add_columns(alike)
    increments.admit_names()
    rows = increments.rows()
    for row in rows["usage"]:
        for subjects, name in (("users", "user"), ("conversations", "conversation")):
            row[subjects] = {each.pop(name): each for each in row[subjects]}
    return {
        "days": rows["days"],
        "usage": {(row["day"], row["client"], row["synthetic"], row["part"]): row for row in rows["usage"]},
        "findings": sorted(map(str, rows["findings"])),
    }


NIGHT = datetime(2026, 10, 24, 21, 50, tzinfo=UTC)
MINUTES = st.sampled_from([0, 5, 20, 65, 125, 185, 245])
"""Over midnight, and over the hour that the end of summer time repeats."""
CALLS = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["u", "v", "w"]),
        "content_type": st.sampled_from(["chat", "of-our-own"]),
        "model": st.sampled_from(["gpt-4o", "claude-sonnet-4-5", "gpt-4o-mini"]),
        "input_tokens": st.sampled_from([0, 1, 777, 250_000]),
        "output_tokens": st.sampled_from([0, 3, 1_000]),
        "created_at": MINUTES.map(lambda minutes: NIGHT + timedelta(minutes=minutes)),
    },
    optional={
        "client_id": st.sampled_from(["acme", "default"]),
        "conversation_id": st.sampled_from(["c", "d"]),
        "success": st.booleans(),
        "status": st.just("error"),
        "synthetic": st.booleans(),
        "request_duration": st.sampled_from([0, 1, 90, 100_000]),
        "provider": st.sampled_from(["openai", "anthropic"]),
        "cached": st.just(True),
        "metadata": st.just({"a": 1}),
    },
)


async def test_what_calls_add_is_the_same_whether_they_were_recorded_by_template_or_in_full(
    database: Database,
) -> None:
    recorder, seen = Recorder.of(Settings(_env_file=None), Book()), Counter[bool]()

    @given(st.lists(CALLS, max_size=12))
    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    def check(calls: list[dict[str, Any]]) -> None:
        pairs = []
        for reported in calls:
            try:
                call = AICall(**reported)
            except ValidationError:
                continue
            pairs.append([recorder.record(call, NIGHT).pair for _ in range(3)][-1])
        seen.update(isinstance(pair, TemplatePair) for pair in pairs)
        assert rows_of(*counted(pairs), database) == rows_of([pair.entry for pair in pairs], [], database)

    await asyncio.to_thread(check)
    assert min(seen[True], seen[False]) > 20


FEW = {"provider": 9, "model": 2, "feature": 2, "name": 2, "campaign": 2, "variant": 2}


async def test_a_thousand_names_beyond_the_cap_are_one_row(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.rollups.name_caps.CAPS", FEW)
    increments = Increments(LocalTime(ZoneInfo("UTC")), NameCaps(database))
    for number in range(1_000):
        invented = {
            "aiModel": f"m{number}",
            "feature": f"f{number}",
            "contentType": f"f{number}",
            "userId": f"u{number % 3}",
            "campaignId": f"c{number}",
            "variant": f"v{number}",
        }
        increments.add({**ENTRY, **invented, "costSource": "unpriced", "cost": None})
    await asyncio.to_thread(increments.admit_names)

    rows = increments.rows()

    assert [(row["model"], row["feature"], row["requests"], len(row["users"])) for row in rows["usage"]] == [
        ("m0", "f0", 1, 1),
        ("m1", "f1", 1, 1),
        ("other", "other", 998, 3),
    ]
    assert sum(of["requests"] for row in rows["usage"] for of in row["users"]) == 1_000
    assert [row["hours"]["12"]["requests"] for row in rows["usage"]] == [1, 1, 998]
    found = {(row["kind"], row["model"], row["name"]): row["requests"] for row in rows["findings"]}
    assert len(found) == len(rows["findings"]) <= 20
    assert {name: found["folded", "", name] for name in ("model", "feature")} == {"model": 998, "feature": 998}
    assert found["unmapped", "other", "other"] == 998
    assert {name: found["folded", "", name] for name in ("campaign", "variant")} == {"campaign": 998, "variant": 998}
    assert [[(each["campaign"], each["requests"]) for each in row["campaigns"]] for row in rows["usage"]] == [
        [("c0", 1)],
        [("c1", 1)],
        [("other", 998)],
    ]
    variants = [(each["experiment"], each["variant"], each["requests"]) for each in rows["usage"][2]["variants"]]
    assert sorted(variants) == [("other", "other", 332), ("other", "other", 333), ("other", "other", 333)]
    assert increments.rows() == rows
