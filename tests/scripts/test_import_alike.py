"""Rows of an export that are like others before come out exactly as each would alone, valid or not."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import bson
import pytest

from app.ledger.recording import Recorder
from app.ledger.twins import twin_id
from app.settings import Settings
from models.call import AICall
from scripts.export_usage import _row
from scripts.transfer import alike, entries, json_file
from scripts.transfer.calls import RowError
from scripts.transfer.entries import Entries
from scripts.transfer.neutral import original
from scripts.transfer.writing import _CELLS, _json_line
from tests.pricing.test_costs import Book
from tests.scripts.ledgers import KINDS, NOON

RECORDER = Recorder.of(Settings(_env_file=None), Book())
TOLD = [
    {"content_type": "summary", "model": "gpt-4o", "user_id": "u", "created_at": NOON, **kind}
    for kind in [
        *KINDS,
        {"input_tokens": 1_000, "output_tokens": 500, "request_duration": 812, "conversation_id": "c"},
        {"input_tokens": 1, "output_tokens": 0, "cost": Decimal("0.5"), "time_to_first_token": 0},
        {"input_tokens": 900, "output_tokens": 500, "web_searches": 2, "reasoning_tokens": 7, "clerk_user_id": "x"},
    ]
]


def exported(told: dict[str, Any], number: int) -> dict[str, Any]:
    pair = RECORDER.record(AICall(**told), NOON, entry_id=twin_id("default", str(number))).pair
    return _row(pair.entry, pair.event.get("clerkUserId"))


ROWS = [exported(told, number) for number, told in enumerate(TOLD)]


def as_json(row: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(_json_line(row), parse_float=Decimal, object_pairs_hook=json_file._object)
    return values


def as_csv(row: dict[str, Any]) -> dict[str, Any]:
    cells = {name: "" if row[name] is None else written(row[name]) for name, written in _CELLS.items()}
    return {name: original(cell) for name, cell in cells.items() if cell}


FORMS = [as_json, as_csv, dict]

NAMES = ["", "v", "Zoë", "a\tb", "x" * 256, "x" * 257, "\ud800", "\u2028", None, 5, True, '{"a": 2}']
NUMBERS = [-1, 0, 3, 10**9, 10**9 + 1, 10**18, "007", " 7", "1,000", "1e3", 1.0, 1.5, "x", None, True, Decimal("1E+2")]
AMOUNTS = [0, 1, -1, "0.25", "-0", "1e-16", None, 10**17, "nan", Decimal("5E-16"), Decimal("1E+30"), Decimal("0.1")]
MOMENTS = [
    *("2026-01-01T00:00:00.123456+02:00", "1999-12-31T23:59:59Z", "2999-01-01T00:00:00Z", "0001-01-01T00:00:00+05:00"),
    *("soon", None, datetime(2026, 2, 3, 4, 5, 6, 7_890, UTC)),
]
FLAGS = [True, False, "yes", "0", 1, None, "x"]
OWN: dict[str, list[Any]] = {
    "_id": ["a" * 24, "A" * 24, "a" * 23, "a" * 23 + "x", "a" * 24 + "\n", None],
    **dict.fromkeys(
        ("userId", "conversationId", "clerkUserId", "clientId", "aiModel", "metadata", "errorMessage"), NAMES
    ),
    **dict.fromkeys((*alike._TOTALS, *alike._DURATIONS, "cacheReadTokens", "reasoningTokens", "images"), NUMBERS),
    **dict.fromkeys(alike._AMOUNTS, AMOUNTS),
    **dict.fromkeys(alike._MOMENTS, MOMENTS),
    **dict.fromkeys(("cached", "success", "unmapped"), FLAGS),
    "costSource": ["priced", "unpriced", "reported", "guess"],
    "schemaVersion": [1, 2, "1"],
    "repriced": [None, "[]", "x"],
}
ALIKE = Entries(RECORDER)


def outcome(pair_of: Any, row: dict[str, Any]) -> Any:
    try:
        pair = pair_of(row)
    except RowError as error:
        return str(error)
    return pair.id, pair.entry, bson.encode(pair.entry), bson.encode(pair.event), pair.stamped, pair.shared_id


def alone(row: dict[str, Any]) -> Any:
    return entries._pair_of(entries._read(row), RECORDER)


@pytest.mark.parametrize("form", FORMS)
def test_a_row_comes_out_as_it_would_alone(form: Any) -> None:
    for row in [form(ROWS[number]) for number in (0, 2, 4, 17, 19)]:
        for name, values in OWN.items():
            for value in values:
                outcome(ALIKE.pair_of, row)  # one that the next is like
                changed = {**row, name: value}
                assert outcome(ALIKE.pair_of, changed) == outcome(alone, changed), changed
                _made_whole(changed)
                assert outcome(ALIKE.pair_of, changed) == outcome(alone, changed), changed


def _made_whole(row: dict[str, Any]) -> None:
    counts: list[Any] = [row.get(name) for name in ("inputTokens", "outputTokens")]
    if all(type(count) is int for count in counts):
        row["tokensUsed"] = sum(counts)
    parts: list[Any] = [row.get(name) for name in ("inputCost", "outputCost", "generationCost")]
    if all(isinstance(part, Decimal | int) for part in parts):
        row["cost"] = sum(Decimal(part) for part in parts)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("number", [0, 1, 13, 14, 17, 18, 19])
def test_common_rows_are_not_each_built_anew(form: Any, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Entries(RECORDER)
    known.pair_of(form(ROWS[number]))
    another = form(exported({**TOLD[number], "user_id": "another"}, 10**6))
    expected = outcome(alone, another)
    monkeypatch.setattr(entries, "_pair_of", None)

    assert outcome(known.pair_of, another) == expected


def test_kinds_and_shapes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "MOST", 3)
    known = Entries(RECORDER)

    for number, told in enumerate(TOLD):
        for model in ("gpt-4o", "gpt-4o-mini"):
            known.pair_of(as_json(exported({**told, "model": model}, number)))

    assert len(known._alike._kinds) <= 3
    assert len(known._alike._shapes) <= 3
