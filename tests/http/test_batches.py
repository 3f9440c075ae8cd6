"""The rows of a batch, of any size and shape that fits in its limit."""

import json
import time
from decimal import Decimal
from typing import Any

import pytest

from app.errors import BodyTooLargeError, InvalidRequestError
from app.http.batches import BadRow, read_row, rows_of
from app.http.serialization import MAX_MEMBER_BYTES, MAX_MEMBERS
from tests.patience import patience

MEGABYTE = 1_000_000


def read(body: bytes, media_type: str = "application/json") -> list[Any]:
    return [read_row(row, MEGABYTE) for row in rows_of(body, media_type)]


def filled(unit: bytes, size: int = 5 * MEGABYTE) -> bytes:
    return b",".join([unit] * (size // (len(unit) + 1)))


def test_rows_are_exact() -> None:
    assert read(b' [ {"cost": 0.1} , 7, null, "x", [1], {} ] ') == [{"cost": Decimal("0.1")}, 7, None, "x", [1], {}]
    assert read(b"[]") == []


@pytest.mark.parametrize("unit", [b"1", b"1.5", b"[]", b"{}", b'"a"', b'{"a":1}'])
def test_a_list_of_very_many_things_is_refused_before_they_are_made(unit: bytes) -> None:
    body = b"[" + filled(unit) + b"]"
    started = time.thread_time()

    with pytest.raises(BodyTooLargeError, match="at most 1,000 rows"):
        rows_of(body, "application/json")

    assert time.thread_time() - started < patience(0.05)


@pytest.mark.parametrize("body", [b"\n" * (5 * MEGABYTE), b" " * (5 * MEGABYTE)])
def test_lines_with_nothing_on_them_cost_nothing(body: bytes) -> None:
    started = time.thread_time()

    assert read(body, "application/x-ndjson") == []

    assert time.thread_time() - started < patience(0.05)


def long_lists(unit: bytes) -> bytes:
    """An object of fifteen fields, none of which is too long by itself."""
    return b"{" + b",".join(b'"k%d":[%s]' % (n, filled(unit, 60_000)) for n in range(15)) + b"}"


def fields(form: str, number: int) -> bytes:
    return b"{" + ",".join(form % n for n in range(number)).encode() + b"}"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b'{"metadata":[' + filled(b"1.5", 900_000) + b"]}", f"metadata has more than {MAX_MEMBER_BYTES:,} bytes"),
        (b"{" + filled(b'"a%d":1', 800_000).replace(b"%d", b"1") + b"}", None),
        (
            json.dumps({f"k{n}": 1 for n in range(85_000)}, separators=(",", ":")).encode(),
            "has thousands of fields; at most 100 can be meant",
        ),
        (json.dumps({f"k{n}": 1 for n in range(101)}).encode(), "has 101 fields; at most 100 can be meant"),
        (b"[" + filled(b"1.5", 900_000) + b"]", "the row must be a JSON object"),
        (b'{"inputText":"' + b"x" * MEGABYTE + b'"}', "the row may have at most 1 MB"),
        (b'{"cost":' + b"1" * 500_000 + b"}", f"cost has more than {MAX_MEMBER_BYTES:,} bytes"),
        (b'{"metadata":' + b"1" * 5_000 + b"}", "the row has a number that is out of range"),
        (b'{"inputText":"' + b"x" * 90_000 + b'","cost":' + b"1" * 5_000 + b"}", "has a number that is out of range"),
        (long_lists(b"[]"), f"k1 has more than {MAX_MEMBER_BYTES:,} bytes, or all fields but texts have"),
        (long_lists(b"1.5"), f"k1 has more than {MAX_MEMBER_BYTES:,} bytes, or all fields but texts have"),
        (fields('"k%d" :1', 80_000), "has thousands of fields; at most 100 can be meant"),
        (fields('"k%d"\n\t:1', 70_000), "has thousands of fields; at most 100 can be meant"),
        (fields(r'"%d\\":1', 80_000), "has thousands of fields; at most 100 can be meant"),
        (fields(r'"%d\\\\\\\\\\\\\\\\":1', 35_000), "has thousands of fields; at most 100 can be meant"),
    ],
    ids=[
        "a long list",
        "one field again and again",
        "85,000 fields",
        "101 fields",
        "no object",
        "2 MB",
        "a long number",
        "a number of 5,000 digits",
        "a number of 5,000 digits beside a prompt",
        "many long lists",
        "many long lists of numbers",
        "fields with a space",
        "fields with a line break",
        "fields that end with a backslash",
        "fields that end with eight",
    ],
)
def test_what_no_call_has_is_that_row_s_fault_and_takes_milliseconds(row: bytes, reason: str | None) -> None:
    started = time.thread_time()

    first, found, last = read(b"[1," + row + b",2]")

    assert time.thread_time() - started < patience(0.1)
    assert (first, last) == (1, 2)
    if reason is not None:
        assert isinstance(found, BadRow)
        assert reason in found.message


def test_json_within_a_text_is_a_text() -> None:
    text = json.dumps({f"k{n}": 1 for n in range(30_000)})
    assert read(json.dumps([{"inputText": text}]).encode()) == [{"inputText": text}]
    text = json.dumps({"said": json.dumps({"said": json.dumps({f"k{n}": 1 for n in range(6_000)})})})
    assert read(json.dumps([{"inputText": text}]).encode()) == [{"inputText": text}]


def test_a_text_may_be_as_long_as_a_row() -> None:
    text = "x" * (MEGABYTE - 100)
    assert read(json.dumps([{"inputText": text, "cost": 0.5}]).encode()) == [
        {"inputText": text, "cost": Decimal("0.5")}
    ]
    assert len(read(json.dumps([{f"k{n}": n for n in range(MAX_MEMBERS)}]).encode())[0]) == MAX_MEMBERS


@pytest.mark.parametrize("body", [b"{}", b'"x"', b"1", b"[1", b"[1,]", b"\xff", b""])
def test_what_is_no_list_is_named(body: bytes) -> None:
    with pytest.raises(InvalidRequestError, match=r"a JSON array of calls|not valid JSON"):
        rows_of(body, "application/json")
