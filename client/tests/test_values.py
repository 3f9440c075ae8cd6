"""What an application hands over, and what is sent of it."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from twinmeter.calls import Call, camel, kept, row_of
from twinmeter.clock import Clock
from twinmeter.values import flat


class Colour(Enum):
    RED = "red"


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("not even that")

    __repr__ = __str__


class Scalar:
    """As NumPy's."""

    def item(self) -> int:
        return 7


class Usage:
    """As those of the providers' SDKs."""

    def model_dump(self) -> dict[str, Any]:
        return {"prompt_tokens": 3}


class Classless:
    """As a lazy object whose row is gone."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise LookupError

    def __str__(self) -> str:
        return "gone"


LOOP: list[Any] = []
LOOP.append(LOOP)


def sent(**fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The row of a call, and what of it was mended."""
    copy, mended = kept(fields)
    call = Call(1, "id-1", 0.0, copy)
    call.mended = mended
    row: dict[str, Any] = json.loads(row_of(call, Clock()))
    return row, call.mended


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("user_id", 42, "42"),
        ("user_id", UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("user_id", "Zoë 😀", "Zoë 😀"),
        ("model", Colour.RED, "red"),
        ("input_tokens", Scalar(), 7),
        ("cost", Decimal("0.00000012345678901234567890"), "0.00000012345678901234567890"),
        ("cost", 0.1, 0.1),
        ("request_duration", Decimal("1.5"), 1.5),
        ("created_at", datetime(2026, 1, 2, tzinfo=timezone.utc), "2026-01-02T00:00:00+00:00"),
        ("success", False, False),
        ("usage", Usage(), {"prompt_tokens": 3}),
        ("usage", {"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
        ("error_message", "x" * 20_000, "x" * 10_000),
    ],
)
def test_what_says_the_same_is_sent_without_a_word(name: str, value: Any, expected: Any) -> None:
    row, mended = sent(**{name: value})

    assert (row[camel(name)], mended) == (expected, ())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("size", Unprintable(), "<Unprintable>"),
        ("quality", b"\xffhd", "\ufffdhd"),
        ("endpoint_", "\ud800", "?"),
        ("request_duration", float("nan"), None),
        ("cost", Decimal("Infinity"), None),
        ("cost", Decimal("1E+400"), None),
        ("usage", {"a": 10**5_000}, {"a": "<int>"}),
        ("usage", {"a": {1, 2}}, {"a": [1, 2]}),
        ("usage", {"a": float("inf"), Colour: 1}, {"a": None, "<enum 'Colour'>": 1}),
    ],
)
def test_what_json_cannot_hold_is_mended_and_told(name: str, value: Any, expected: Any) -> None:
    row, mended = sent(**{name: value})

    assert (row.get(camel(name)), mended) == (expected, (camel(name),))


def test_what_cannot_even_be_looked_at_is_sent_by_its_text() -> None:
    row, mended = sent(usage=Classless())

    assert (row["usage"], mended) == ("gone", ("usage",))


def test_a_name_that_is_no_text_is_sent_by_its_text() -> None:
    call = Call(1, "id-1", 0, {"user_id": "u1", 7: "seven"})  # type: ignore[dict-item]

    assert json.loads(row_of(call, Clock()))["7"] == "seven"


def test_what_contains_itself_is_sent_to_some_depth() -> None:
    row, mended = sent(usage=LOOP, model="m")

    assert (row["model"], mended) == ("m", ("usage",))


def test_what_is_not_known_is_left_out() -> None:
    row, _ = sent(user_id="u1", provider=None, cached=None)

    assert row == {"userId": "u1", "requestId": "id-1", "createdAt": "1970-01-01T00:00:00.000+00:00"}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"a": "text", "b": 1, "c": 1.5, "d": True, "e": None}, None),
        ({"a": [1, {"b": 2}]}, {"a": '[1,{"b":2}]'}),
        ({"a.b": 1, "$c": 2, "": 3, "d\n": 4, 5: 6}, {"a_b": 1, "_c": 2, "_": 3, "d_": 4, "5": 6}),
        ({"a": 2**64, "b": float("inf"), "c": "\ud800"}, {"a": str(2**64), "b": None, "c": "?"}),
        ({"a": "x" * 1_000_000}, {"a": "(left out: 1,000,000 characters)"}),
        ({"a": ["x" * 1_000_000]}, {"a": "(left out: 1,000,004 characters)"}),
        ({"a": "x" * 3_000, "b": "y" * 2_000}, {"b": "y" * 2_000}),
        ({str(number): number for number in range(40)}, {str(number): number for number in range(32)}),
        ("no dict", {"value": "no dict"}),
    ],
)
def test_metadata_is_made_flat_and_small(metadata: Any, expected: Any) -> None:
    told, changed = flat(metadata)

    assert (told, changed) == (metadata, False) if expected is None else (expected, True)


def test_what_changes_after_the_report_changes_nothing_of_it() -> None:
    metadata, usage = {"a": 1}, {"b": 2}
    copy, _ = kept({"metadata": metadata, "usage": usage})
    metadata["a"], usage["b"] = 3, 4

    assert copy == {"metadata": {"a": 1}, "usage": {"b": 2}}


@pytest.mark.parametrize("alone", ["experiment", "variant"])
def test_half_of_an_experiment_is_left_out_so_that_the_call_counts(alone: str) -> None:
    row, mended = sent(**{alone: "tone"})

    assert (alone in row, mended) == (False, (alone,))
    row, mended = sent(experiment="tone", variant=2)
    assert (row["experiment"], row["variant"], mended) == ("tone", "2", ())
