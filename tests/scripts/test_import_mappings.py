"""What a mapping can say of a file, and what is refused because nothing says it."""

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.database import Database
from app.errors import AppError, ConfigurationError
from scripts.toolkit.call_store import Store
from scripts.transfer import importing, together
from scripts.transfer.calls import Calls, RowError
from scripts.transfer.mapping import Mapping, presets, read_preset
from tests.scripts.conftest import Command
from tests.scripts.imports import Importer, rejects
from tests.scripts.jobs import Interrupted, failing_after
from tests.twins import assert_twins, entries

AT = "2026-10-01T10:00:00Z"
BASE: dict[str, Any] = {
    "request_id": "id",
    "user_id": {"constant": "u"},
    "content_type": {"constant": "chat"},
    "model": {"constant": "gpt-4o"},
    "created_at": {"column": "at", "default": AT},
}


def mapping(fields: dict[str, Any], **more: Any) -> Mapping:
    return Mapping.model_validate({"name": "test", "fields": BASE | fields, **more})


def read(fields: dict[str, Any], row: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What a row becomes, as far as the rule or the row says anything of it."""
    calls = Calls(mapping(fields, **more))
    call = calls.call(calls.read({"id": "1", **row}, "a.csv", "line 2"))
    return call.model_dump(exclude_unset=True, exclude={"user_id", "content_type", "model", "created_at"})


@pytest.mark.parametrize(
    ("rule", "row", "expected"),
    [
        ({"sum": ["a", "b"]}, {"a": "1,234", "b": 5}, 1_239),
        ({"sum": ["a", "b"]}, {"a": "N/A", "b": ""}, None),
        ({"sum": ["a", ["b", "c"]], "minus": ["d"]}, {"a": 1, "c": "10", "d": 3}, 8),
        ({"column": "a", "minus": ["b", "c"]}, {"a": 100, "b": "25", "c": None}, 75),
        ({"json": "a", "path": "usage.input"}, {"a": '{"usage": {"input": 7}}'}, 7),
        ({"json": "a", "path": ["x", "usage.input"]}, {"a": '{"usage": {"input": 7}}'}, 7),
        ({"json": "a", "path": "usage.input"}, {"a": "no JSON"}, None),
        ("a.usage.input", {"a": '{"usage": {"input": 7.0}}'}, 7),
        ("a", {"a": "1,234,567"}, 1_234_567),
        ("a", {"a": "Included"}, None),
        ("a", {"a": " nan "}, None),
        ({"column": "a", "absent": ["Waived"]}, {"a": "waived"}, None),
        # a 0 under one name does not win over a count under another
        (["a", "b"], {"a": 0, "b": 5}, 5),
        (["a", "b"], {"a": "0", "b": None}, 0),
    ],
)
def test_a_count_of_several_columns(rule: Any, row: dict[str, Any], expected: int | None) -> None:
    assert read({"images": rule}, row).get("images") == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("$0.02", "0.02"),
        ("$1,234.50", "1234.50"),
        ("US$ 3", "3"),
        ("0.5 USD", "0.5"),
        ("usd 0.1", "0.1"),
        ("1e-3", "0.001"),
        (Decimal("0.1"), "0.1"),
        (0.1, "0.1"),
        ("Included", None),
        ("-", None),
        ("", None),
    ],
)
def test_an_amount_in_dollars_is_exact_and_a_word_is_no_amount(written: Any, expected: str | None) -> None:
    assert read({"cost": "a"}, {"a": written}).get("cost") == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize("written", ["€ 3.50", "3,50 EUR", "£1", "CA$ 1", "¥100", "1.234,50", "12,34", "$1.2.3"])
def test_other_currencies_and_other_commas_are_refused(written: str) -> None:
    with pytest.raises(RowError, match=r"^cost: "):
        read({"cost": "a"}, {"a": written})


def test_the_reason_for_another_currency_says_so() -> None:
    with pytest.raises(RowError, match=r"cost: '€ 3.50' is not an amount in US dollars, and no rate is known here"):
        read({"cost": "a"}, {"a": "€ 3.50"})


def test_a_duration_between_two_times_and_an_id_of_several_columns() -> None:
    told = read(
        {"request_duration": {"from": "s", "to": ["x", "e"]}, "request_id": {"join": ["s", "m"], "separator": "/"}},
        {"s": "2026-10-01T10:00:00.250Z", "e": "2026-10-01T12:00:01+02:00", "m": "gpt"},
    )

    assert told == {"request_duration": 750, "request_id": "2026-10-01T10:00:00.250Z/gpt"}
    with pytest.raises(RowError, match="request_duration: e is before s"):
        read({"request_duration": {"from": "s", "to": "e"}}, {"s": AT, "e": "2026-10-01T09:00:00Z"})


def test_rows_without_an_id_have_one_that_stays() -> None:
    content, number = {"request_id": {"row": "content"}}, {"request_id": {"row": "number"}}
    one = read({**content, "images": "n"}, {"n": 1, "other": "x"})["request_id"]

    assert one == read({**content, "images": "n"}, {"other": "y", "n": 1})["request_id"]
    assert one != read({**content, "images": "n"}, {"n": 2, "other": "x"})["request_id"]
    assert read(number, {})["request_id"] == "a.csv:line 2"


CACHE = {"input_tokens": "in", "output_tokens": "out", "cache_read_tokens": "cached"}
TOTAL = {**CACHE, "tokens_used": "total"}
ANTHROPIC = {"input_tokens": "input_tokens", "output_tokens": "out", "cache_read_tokens": "cache_read_input_tokens"}


@pytest.mark.parametrize(
    ("fields", "row", "more", "expected"),
    [
        # nothing says it: the input holds the cache
        (CACHE, {"in": 100, "out": 1, "cached": 60}, {}, 100),
        (CACHE, {"in": 100, "out": 1, "cached": 60}, {"input": "exclusive"}, 160),
        # the total proves it
        (TOTAL, {"in": 100, "out": 1, "cached": 60, "total": 161}, {}, 160),
        (TOTAL, {"in": 100, "out": 1, "cached": 60, "total": 101}, {}, 100),
        (TOTAL, {"in": 100, "out": 1, "cached": 60, "total": 161}, {"input": "total"}, 160),
        # a total that leaves the cache out as well
        (TOTAL, {"in": 100, "out": 1, "cached": 600, "total": 101}, {"input": "exclusive"}, 700),
        # names say it
        ({**CACHE, "input_tokens": "input_no_cache"}, {"input_no_cache": 5, "out": 1, "cached": 60}, {}, 65),
        (ANTHROPIC, {"input_tokens": 100, "out": 1, "cache_read_input_tokens": 60}, {}, 160),
        (ANTHROPIC, {"input_tokens": 100, "out": 1, "cache_read_input_tokens": 60}, {"input": "inclusive"}, 100),
        # the mapping itself adds up
        ({**CACHE, "input_tokens": {"sum": ["in", "cached"]}}, {"in": 5, "out": 1, "cached": 60}, {}, 65),
    ],
)
def test_whether_the_input_holds_the_cache(
    fields: dict[str, Any], row: dict[str, Any], more: dict[str, Any], expected: int
) -> None:
    assert read(fields, row, **more)["input_tokens"] == expected


@pytest.mark.parametrize(
    ("fields", "row", "more", "said"),
    [
        (CACHE, {"in": 10, "out": 1, "cached": 60}, {}, 'input_tokens: is less than the cache .60.: .* input = "excl'),
        (CACHE, {"in": 10, "out": 1, "cached": 60}, {"input": "inclusive"}, "cache_read_tokens cannot exceed input"),
        (CACHE, {"in": 100, "out": 1, "cached": 60}, {"input": "total"}, "no total says whether it holds the cache"),
        (TOTAL, {"in": 100, "out": 1, "cached": 60, "total": 150}, {}, r"tokens_used: is not input_tokens \+ output"),
        (
            {**ANTHROPIC, "tokens_used": "t"},
            {"input_tokens": 100, "out": 1, "cache_read_input_tokens": 60, "t": 101},
            {},
            "holds the cache by its total, but not by its name",
        ),
    ],
)
def test_where_nothing_tells_nothing_is_guessed(
    fields: dict[str, Any], row: dict[str, Any], more: dict[str, Any], said: str
) -> None:
    with pytest.raises(RowError, match=said):
        read(fields, row, **more)


COUNTED = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
COUNTS_OF = {"prompt_tokens": 100, "completion_tokens": 10}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cache_foo_tokens", 60),
        ("cacheFooTokens", "60"),
        ("Foo Cache", "60"),
        ("foo_tokens", 7.0),
        ("tokens_of_foo", "1,234"),
        ("generated_tokens", 3),
        ("web_search_count", 2),
        ("service_tier", "flex"),
        ("speed", "fast"),
    ],
)
def test_a_count_in_a_column_that_nobody_names_leaves_the_call_without_a_price(name: str, value: Any) -> None:
    told = read(COUNTED, {**COUNTS_OF, name: value})

    assert told["unreadable_reason"].startswith(f"{name}: ")
    assert told.keys().isdisjoint({"input_tokens", "output_tokens"})
    assert read(COUNTED, {**COUNTS_OF, name: value}, ignore=[name])["input_tokens"] == 100
    assert read({**COUNTED, "cost": "cost"}, {**COUNTS_OF, name: value, "cost": 1})["input_tokens"] == 100


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cache_foo_tokens", 0),
        ("total_tokens", 110),
        ("uncached_tokens", 100),
        ("max_tokens", 4_096),
        ("price_per_token", 2),
        ("tokens_per_second", 55),
        ("token_limit", 5_000),
        ("cached", "1"),
        ("cache_hit", 1),
        ("cache_key", "60"),
        ("colour", 7),
        ("service_tier", "default"),
    ],
)
def test_what_repeats_a_count_or_is_none_is_left_out(name: str, value: Any) -> None:
    assert "unreadable_reason" not in read(COUNTED, {**COUNTS_OF, name: value})


def test_inside_of_a_usage_object_every_number_counts() -> None:
    nested = {"input_tokens": "usage.in", "output_tokens": "usage.out"}
    usage = {"in": 100, "out": 10, "total": 110, "details": {"foo": 60, "same": 10}}

    told = read(nested, {"usage": usage, "foo_tokens": 5})

    assert told["unreadable_reason"].startswith("usage.details.foo: ")
    other = {"input_tokens": "properties.in", "output_tokens": "properties.out"}
    assert "unreadable_reason" not in read(other, {"properties": {"in": 100, "out": 10, "words": 500}})
    assert "unreadable_reason" in read(other, {"properties": {"in": 100, "out": 10, "fooTokens": 500}})


async def test_the_summary_names_the_columns_that_look_like_counts(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    path = mapping_file(tmp_path, 'input_tokens = "prompt_tokens"\noutput_tokens = "completion_tokens"')
    (tmp_path / "a.csv").write_text(
        "id,prompt_tokens,completion_tokens,cache_foo_tokens,total\n1,100,10,60,110\n2,100,10,0,110\n"
    )

    summary = await imported(other, tmp_path / "a.csv", mapping=path)

    assert summary.counts["new"] == 2
    assert summary.notes[0].startswith("cache_foo_tokens: look like counts that the mapping does not name")
    assert summary.notes[1] == "not imported, because the mapping does not name it: total"
    reasons = sorted(entry.get("unpricedReason", "") for entry in await entries(other))
    assert reasons[0] == ""
    assert reasons[1].startswith("usage_unreadable: cache_foo_tokens: ")


def mapping_file(folder: Path, fields: str, head: str = "", id_rule: str = 'request_id = "id"') -> str:
    """A mapping of one's own, with the fields that every one has."""
    rest = f'user_id = {{ constant = "u" }}\ncontent_type = {{ constant = "chat" }}\n{id_rule}\n{fields}'
    at = (
        '[fields]\nmodel = { constant = "gpt-4o" }\n'
        f'created_at = {{ column = "at", default = "{AT}", optional = true }}\n'
    )
    (folder / "m.toml").write_text(f"{head}\n{at}{rest}\n")
    return str(folder / "m.toml")


async def test_a_file_whose_cache_is_more_than_its_input_is_refused_whole(
    other: Database, imported: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "PAGE", 2)
    counts = 'input_tokens = "in"\noutput_tokens = "out"\ncache_read_tokens = "cached"'
    rows = ["1,100,1,50", "2,100,1,50", "3,100,1,50", "4,10,1,50", ""]
    (tmp_path / "a.csv").write_text("\n".join(["id,in,out,cached", *rows]))

    with pytest.raises(AppError) as refused:
        await imported(other, tmp_path / "a.csv", mapping=mapping_file(tmp_path, counts))
    assert str(refused.value) == (
        f"{tmp_path}/a.csv, line 5: the cache is more than the input: "
        'where the file counts the cache beside the input, set input = "exclusive" in the mapping'
    )
    assert await assert_twins(other) == set()
    await imported(other, tmp_path / "a.csv", mapping=mapping_file(tmp_path, counts, 'input = "exclusive"'))

    assert sorted(entry["inputTokens"] for entry in await entries(other)) == [60, 150, 150, 150]


ROW_COUNTS = 'input_tokens = "in"\noutput_tokens = "out"'


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ('[rows]\nkeep = "last"', (7, 1)),
        ('[rows]\nkeep = "first"', (5, 3)),
        ('[rows]\nkeep = "sum"', (12, 4)),
        ('[rows]\nkeep = "max"\nsame = "message"', (7, 3)),
    ],
)
async def test_of_several_rows_of_one_call_the_one_that_the_mapping_says_counts(
    other: Database, imported: Importer, tmp_path: Path, rows: str, expected: tuple[int, int]
) -> None:
    told = [{"id": "1", "message": "m", "in": 5, "out": 3}, {"id": "2", "message": "x", "in": 1, "out": 1}]
    told.append({"id": "1", "message": "m", "in": 7, "out": 1})
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in told))

    summary = await imported(other, tmp_path / "a.jsonl", mapping=mapping_file(tmp_path, ROW_COUNTS, rows))

    assert (summary.counts["new"], summary.counts["told again"]) == (2, 1)
    found = [(entry["inputTokens"], entry["outputTokens"]) for entry in await entries(other)]
    assert sorted(found) == sorted([(1, 1), expected])


async def test_without_a_word_rows_of_one_id_are_one_message_only_where_they_grow(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    rows = [("1", "10:00:00", 5, 1), ("1", "10:00:05", 5, 9), ("2", "10:00:00", 5, 9), ("2", "10:00:05", 5, 1)]
    rows += [("3", "10:00:00", 5, 1), ("3", "11:00:00", 5, 9)]
    told = [{"id": each, "at": f"2026-10-01T{at}Z", "in": one, "out": two} for each, at, one, two in rows]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in told))

    summary = await imported(other, tmp_path / "a.jsonl", mapping=mapping_file(tmp_path, ROW_COUNTS))

    assert (summary.counts["new"], summary.counts["told again"]) == (3, 1)
    assert [line for line, _ in rejects(tmp_path)] == ["line 4", "line 6"]
    assert sorted(entry["outputTokens"] for entry in await entries(other)) == [1, 9, 9]


async def test_an_interrupted_import_of_rows_that_belong_together_ends_as_an_uninterrupted_one(
    other: Database, imported: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "PAGE", 3)
    monkeypatch.setattr(together, "WINDOW", 4)
    rows = [row for start in range(0, 24, 2) for row in (start, start + 1, start, start + 1)]
    lines = [json.dumps({"id": str(row), "in": 10, "out": 1}) + "\n" for row in rows]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    path = mapping_file(tmp_path, ROW_COUNTS, '[rows]\nkeep = "sum"')

    for commits in (1, 2, 1):
        with monkeypatch.context() as patch:
            failing_after(patch, Store, "commit", commits)
            with pytest.raises(Interrupted):
                await imported(other, tmp_path / "a.jsonl", mapping=path)
    summary = await imported(other, tmp_path / "a.jsonl", mapping=path)

    assert (summary.resumed, rejects(tmp_path)) == (True, [])
    assert (summary.counts["new"], summary.counts["known"], summary.counts["told again"]) == (24, 0, 24)
    assert [(entry["inputTokens"], entry["outputTokens"]) for entry in await entries(other)] == [(20, 2)] * 24


@pytest.mark.parametrize(
    ("head", "row", "expected"),
    [
        # a number of calls
        ("id,at,in,num_model_requests", "x,2026-10-01T10:00:00Z,5,3.0", (3, "2026-10-01T10")),
        ("id,at,in,Requests", 'x,2026-10-01,5,"4,115"', (4_115, "2026-10-01T12")),
        # a day, and no id of its own
        ("at,in", "2026-10-01,5", (None, "2026-10-01T12")),
        ("at,in", "2026-10-01 00:00:00,5", (None, "2026-10-01T12")),
        ("at,in", "2026-10-01T00:00:00Z,5", (None, "2026-10-01T12")),
    ],
)
async def test_rows_that_are_sums_are_known_without_a_word(
    other: Database, imported: Importer, tmp_path: Path, head: str, row: str, expected: tuple[int | None, str]
) -> None:
    (tmp_path / "a.csv").write_text(f"{head}\n{row}\n")
    id_rule = 'request_id = "id"' if head.startswith("id") else 'request_id = "at"'
    path = mapping_file(tmp_path, 'input_tokens = "in"', 'timezone = "UTC"', id_rule)

    with pytest.raises(AppError, match=r"a\.csv: each row is the sum of many calls, not a call; --as-sums"):
        await imported(other, tmp_path / "a.csv", mapping=path)
    await imported(other, tmp_path / "a.csv", mapping=path, as_sums=True)

    (entry,) = await entries(other)
    assert (entry.get("aggregatedRequests"), entry["createdAt"].isoformat()[:13]) == expected
    assert entry["aggregated"] is True


async def test_a_sum_that_still_grows_is_rejected_and_one_with_other_figures_is_no_other_sum(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    path = mapping_file(tmp_path, 'input_tokens = "in"', 'timezone = "UTC"', id_rule='request_id = { row = "content" }')
    today = datetime.now(UTC).date().isoformat()
    for count in (5, 6):
        (tmp_path / "a.csv").write_text(f"at,in,team\n2026-10-01,{count},a\n2026-10-01,{count},b\n{today},1,a\n")
        summary = await imported(other, tmp_path / "a.csv", mapping=path, as_sums=True)
        assert summary.counts["new"] == (2 if count == 5 else 0)

    assert [line for line, _ in rejects(tmp_path)] == ["line 2", "line 3", "line 4"]
    assert rejects(tmp_path)[2][1].startswith("created_at: its period is not over, so its sums still grow")
    assert [entry["inputTokens"] for entry in await entries(other)] == [5, 5]


async def test_midnight_is_a_time_where_rows_have_an_id_or_other_times(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    path = mapping_file(tmp_path, 'input_tokens = "in"', id_rule='request_id = "at"')
    (tmp_path / "a.csv").write_text("at,in\n2026-10-01T00:00:00Z,5\n2026-10-01T00:00:01Z,5\n")

    await imported(other, tmp_path / "a.csv", mapping=path)

    assert ["aggregated" in entry for entry in await entries(other)] == [False, False]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ('"in": 1.5', "input_tokens: 1.5 is not a whole number"),
        ('"in": "many"', "input_tokens: 'many' is not a number"),
        ('"in": -1', "input_tokens: Input should be greater than or equal to 0"),
        ('"in": 9223372036854775808', "input_tokens: 9223372036854775808 is not a number that a call could have"),
        ('"in": 1e400', "input_tokens: 1E+400 is not a number that a call could have"),
        ('"in": true', "input_tokens: True is not a number"),
        ('"in": {"a": 1}', "input_tokens: {'a': 1} is not a number"),
        ('"in": 5, "in": 6', "is not valid JSON: in is there twice with different values"),
    ],
)
async def test_counts_that_are_none_reject_their_row_alone(
    other: Database, imported: Importer, tmp_path: Path, counts: str, said: str
) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"id": "1", {counts}}}\n{{"id": "2", "in": "5", "out": null}}\n')

    summary = await imported(other, tmp_path / "a.jsonl", mapping=mapping_file(tmp_path, ROW_COUNTS))

    found = [(line, why[: len(said)]) for line, why in rejects(tmp_path)]
    assert (summary.counts["new"], found) == (1, [("line 1", said)])


async def test_a_last_line_without_an_end_is_whole_where_its_last_quote_says_so(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    path = mapping_file(tmp_path, 'input_tokens = "in"')
    for text, new in (('id,in\n"1","5"\n"2","50"', 2), ('id,in\n"3","5"\n"4","50', 1), ("id,in\n5,5\n6,50", 1)):
        (tmp_path / "a.csv").write_text(text)
        summary = await imported(other, tmp_path / "a.csv", mapping=path)
        assert (summary.counts["new"], summary.counts["rejected"]) == (new, 2 - new)


async def test_a_cost_of_zero_is_said_and_a_line_of_megabytes_rejected_alone(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    told = [{"id": "1", "in": 5, "cost": 0}, {"id": "2", "in": 5, "text": "x" * 5_000_000}, {"id": "3", "in": 5}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in told))
    path = mapping_file(tmp_path, 'input_tokens = "in"\ncost = { column = "cost", optional = true }')

    summary = await imported(other, tmp_path / "a.jsonl", mapping=path)

    assert (summary.counts["new"], rejects(tmp_path)) == (2, [("line 2", "is longer than 4,000,000 bytes")])
    assert "1 calls with tokens cost 0, by their rows: where 0 means unknown" in summary.notes[2]


async def test_of_a_rejected_row_only_what_the_mapping_names_is_kept(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    row = {"id": "1", "usage": {"in": "many", "text": "SECRET"}, "prompt": "SECRET"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")

    await imported(other, tmp_path / "a.jsonl", mapping=mapping_file(tmp_path, 'input_tokens = "usage.in"'))

    assert json.loads((tmp_path / "rejects.jsonl").read_text())["row"] == {"id": "1", "usage.in": "many"}


def test_a_rule_that_cannot_be_is_said() -> None:
    for rule, said in (
        ({"sum": ["a"], "column": "b"}, "needs a column or a constant, but not both"),
        ({"minus": ["a"], "constant": 1}, "minus needs a column or a sum"),
        ({"from": "a"}, "needs both from and to"),
        ({"from": "a", "to": "b"}, "images is not a duration"),
        ({"join": ["a", "b"]}, "images is not a string"),
        ({"json": "a"}, "json needs a path"),
        ("info.total_token_usage.input_tokens", "is the running total of a session, not of a call"),
    ):
        with pytest.raises(ValueError, match=said):
            mapping({"images": rule})
    with pytest.raises(ValueError, match="endpoint is not a number"):
        mapping({"endpoint": {"sum": ["a", "b"]}})


def test_presets_are_listed_where_none_or_an_unknown_one_is_named() -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_preset("claude")

    assert str(refused.value).startswith("unknown preset claude; the presets are:\n")
    assert [name for name in presets() if f"\n{name} " not in str(refused.value)] == []


async def test_the_command_lists_presets_reads_a_folder_and_takes_sums_when_told(
    command: Command, database: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    head = "Date,Slug,Usage,BYOK Usage,Requests,Prompt Tokens,Completion Tokens,Reasoning Tokens\n"
    for day in (12, 13):
        (folder / f"{day}.csv").write_text(f'{head}"2026-05-{day} 00:00:00",openai/gpt-4o,$0.5,0,2,100,10,0\n')
    named = ["scripts.import_usage", "--preset", "openrouter-activity", str(folder)]

    listed = await asyncio.to_thread(command, "scripts.import_usage", "--preset")
    unknown = await asyncio.to_thread(command, "scripts.import_usage", "--preset", "claude", str(folder))
    refused = await asyncio.to_thread(command, *named)
    done = await asyncio.to_thread(command, *named, "--as-sums", "--execute", "--json")

    assert (listed.returncode, [name for name in presets() if name not in listed.stdout]) == (0, [])
    assert (unknown.returncode, "openrouter-activity  OpenRouter's activity by day" in unknown.stderr) == (1, True)
    said = "each row is the sum of many calls, not a call; --as-sums imports each as one entry marked as a sum"
    assert (refused.returncode, refused.stderr.splitlines()[-1]) == (1, f"{folder}/12.csv: {said}")
    assert (done.returncode, json.loads(done.stdout)["new"]) == (0, 2)
    found = [(entry["aggregated"], entry["aggregatedRequests"]) for entry in await entries(database)]
    assert found == [(True, 2), (True, 2)]
