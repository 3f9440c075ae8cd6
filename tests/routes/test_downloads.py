"""Tables as CSV: every row and decimal, nothing that a spreadsheet runs, and a word where it is cut off."""

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.reports.csv import cell, neutral, text_of
from app.reports.downloads import Table
from tests.routes.conftest import bearer
from tests.routes.test_admin import track

Client = AsyncTestClient[Litestar]
MAY: dict[str, str] = {"from": "2024-05-01", "to": "2024-05-31"}
NOON = "2024-05-02T12:00:00Z"


async def download(client: Client, tokens: Tokens, table: str, **params: str) -> httpx.Response:
    address = f"/api/admin/ai/download/{table}.csv"
    response = await client.get(address, params={**MAY, **params}, headers=bearer(tokens, Role.ADMIN))
    assert response.status_code == 200, response.text
    return response


def rows_of(response: httpx.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


async def test_every_table_begins_with_a_byte_order_mark_only_where_that_is_asked_for(
    client: Client, tokens: Tokens
) -> None:
    await track(client, tokens, createdAt=NOON, userId="Зоя", conversationId="чат")
    for table in Table:
        plain = await download(client, tokens, table)
        marked = await download(client, tokens, table, bom="true")

        assert not plain.content.startswith(b"\xef\xbb\xbf"), table
        assert marked.content == b"\xef\xbb\xbf" + plain.content, table
    assert plain.headers["content-type"] == "text/csv; charset=utf-8"
    users = (await download(client, tokens, Table.USERS, bom="true")).content.decode("utf-8-sig")
    assert [row["userId"] for row in csv.DictReader(io.StringIO(users, newline=""))] == ["Зоя"]


async def test_a_table_says_what_its_report_says(client: Client, tokens: Tokens) -> None:
    await track(client, tokens, createdAt=NOON, requestDuration=800, conversationId="talk")
    await track(client, tokens, createdAt=NOON, contentType="haiku", model="unheard-of", success=False, userId="u2")

    found = {table: rows_of(await download(client, tokens, table)) for table in Table}

    assert [(row["day"], row["requests"]) for row in found[Table.DAILY] if row["requests"] != "0"] == [
        ("2024-05-02", "2")
    ]
    day = found[Table.DAILY][1]
    assert [day[name] for name in ("cost", "activeUsers", "statusesSuccess", "statusesError", "p95")] == [
        "0.0075", "2", "1", "1", "800",
    ]  # fmt: skip
    assert [(row["feature"], row["cost"], row["tokensTotal"]) for row in found[Table.FEATURES]] == [
        ("chat", "0.0075", "1500"),
        ("haiku", "0", "1500"),
    ]
    assert [(row["model"], row["uniqueUsers"], row["serviceTypes"]) for row in found[Table.MODELS]] == [
        ("gpt-4o", "1", "chat"),
        ("unheard-of", "1", "content"),
    ]
    assert found[Table.PROVIDERS][0]["latencyP95"] == "800"
    assert [(row["userId"], row["requests"], row["lastActive"]) for row in found[Table.USERS]] == [
        ("u1", "1", "2024-05-02"),
        ("u2", "1", "2024-05-02"),
    ]
    assert [(row["conversationId"], row["tokens"]) for row in found[Table.CONVERSATIONS]] == [("talk", "1500")]
    assert [(row["userId"], row["cost"], row["status"]) for row in found[Table.CALLS]] == [
        ("u2", "", "error"),
        ("u1", "0.0075", "success"),
    ]
    assert [(row["kind"], row["model"], row["name"], row["requests"]) for row in found[Table.DATA_QUALITY]] == [
        ("unpriced", "unheard-of", "model_unknown", "1"),
        ("unmapped", "", "haiku", "1"),
    ]


async def test_amounts_keep_every_decimal(client: Client, tokens: Tokens) -> None:
    await track(client, tokens, createdAt=NOON, cost=0.000000000000001)
    await track(client, tokens, createdAt=NOON, cost=123456789.123456789012345)

    costs = [row["cost"] for row in rows_of(await download(client, tokens, "calls"))]
    report = await client.get("/api/admin/ai/calls", params=MAY, headers=bearer(tokens, Role.ADMIN))

    assert "0.000000000000001" in costs
    assert all(f'"cost":{cost}' in report.text for cost in costs)


async def test_what_a_spreadsheet_would_run_is_text(client: Client, tokens: Tokens) -> None:
    names = ["=1+1", "+1", "-1", "@SUM(A1)", 'a "quoted", name', "plain"]
    for name in names:
        await track(client, tokens, createdAt=NOON, userId=name)

    found = {row["userId"] for row in rows_of(await download(client, tokens, "users"))}

    assert found == {"'=1+1", "'+1", "'-1", "'@SUM(A1)", names[4], "plain"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("-0.5"), "-0.5"),
        (Decimal("3E-7"), "0.0000003"),
        (-3, "-3"),
        (True, "true"),
        (None, ""),
        (date(2024, 5, 1), "2024-05-01"),
        (datetime(2024, 5, 1, 12, tzinfo=UTC), "2024-05-01T12:00:00.000Z"),
        ({"a": "=1"}, '{"a": "=1"}'),
        (["chat", "image"], "chat image"),
        ("-1", "'-1"),
    ],
)
def test_numbers_stay_numbers(value: Any, text: str) -> None:
    assert cell(value) == text


def test_a_text_is_neutralised_once_and_quoted() -> None:
    assert neutral("\r=1") == "'\r=1"
    assert [neutral(letter)[0] for letter in "=+-@\uff1d\uff0b\uff0d\uff20"] == ["'"] * 8
    assert text_of([['=HYPERLINK("x")', Decimal(1)]]) == '"\'=HYPERLINK(""x"")",1\r\n'


async def test_a_long_table_is_cut_off_and_says_so(
    client: Client, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        names = {"userId": f"u{number}", "contentType": f"type-{number}", "conversationId": f"talk-{number}"}
        await track(client, tokens, createdAt=NOON, **names)
    monkeypatch.setattr("app.reports.downloads.BATCH_ROWS", 2)
    tables = (Table.CALLS, Table.USERS, Table.FEATURES, Table.CONVERSATIONS)

    whole = [await download(client, tokens, table) for table in tables]
    monkeypatch.setattr("app.reports.downloads.MAX_ROWS", 3)
    cut = [await download(client, tokens, table) for table in tables]

    for full, part in zip(whole, cut, strict=True):
        assert ("x-truncated" in full.headers, len(rows_of(full))) == (False, 4)
        assert part.headers["x-truncated"] == "true"
        *lines, last = part.text.splitlines()
        assert lines == full.text.splitlines()[:4]
        assert last.startswith('"truncated: ')


async def test_a_file_is_named_after_table_and_window(empty: Client, tokens: Tokens) -> None:
    response = await download(empty, tokens, "data-quality")

    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == (
        'attachment; filename="twinmeter-data-quality-2024-05-01-to-2024-05-31.csv"'
    )
    assert response.text == "kind,provider,model,name,requests,inputTokens,outputTokens,cost\r\n"


async def test_the_filters_of_a_report_are_those_of_its_table(client: Client, tokens: Tokens) -> None:
    await track(client, tokens, createdAt=NOON, userId="ann", conversationId="one")
    await track(client, tokens, createdAt=NOON, userId="bob", success=False, conversationId="two")
    await track(client, tokens, createdAt=NOON, userId="cat", synthetic=True)
    await track(client, tokens, createdAt="2024-06-01T00:00:00Z", userId="dan")

    async def users(table: str, **params: str) -> list[str]:
        return [row["userId"] for row in rows_of(await download(client, tokens, table, **params))]

    assert await users("calls", status="error") == ["bob"]
    assert await users("calls", costSource="unpriced") == []
    assert await users("calls", conversationId="two") == ["bob"]
    assert await users("calls", hour="12", weekday="4") == ["bob", "ann"]
    assert await users("calls", hour="11") == []
    assert await users("calls", synthetic="only") == await users("users", synthetic="only") == ["cat"]
    assert await users("users", provider="openai") == ["ann", "bob"]
    own = rows_of(await download(client, tokens, "conversations", userId="ann", model="gpt-4o"))
    assert [row["conversationId"] for row in own] == ["one"]


REFUSED: list[tuple[str, dict[str, str], int, list[str]]] = [
    ("users", {"userId": "u1"}, 400, ["userId"]),
    ("conversations", {"model": "gpt-4o"}, 400, ["model"]),
    ("daily", {"status": "error"}, 400, ["status"]),
    ("users", {"conversationId": "one"}, 400, ["conversationId"]),
    ("models", {"minDuration": "5"}, 400, ["minDuration"]),
    ("calls", {"status": "lost"}, 400, ["status"]),
    ("calls", {"from": "2024-06-01"}, 400, ["from"]),
    ("secrets", {}, 404, []),
]


async def test_a_table_that_cannot_be_made_is_a_problem(empty: Client, tokens: Tokens) -> None:
    for table, params, status, fields in REFUSED:
        address = f"/api/admin/ai/download/{table}.csv"
        response = await empty.get(address, params={**MAY, **params}, headers=bearer(tokens, Role.ADMIN))

        assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
        assert [error["field"] for error in response.json().get("errors", ())] == fields, (table, params)
