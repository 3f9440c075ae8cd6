"""Months' reports and providers' invoices over HTTP."""

import json
from collections.abc import AsyncIterator
from csv import DictReader
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest

from app.auth.principals import Role
from app.auth.tokens import Tokens
from tests.conftest import SECRET
from tests.routes.conftest import Client, application, bearer, holding

NOW = datetime(2024, 11, 5, tzinfo=UTC)
THIS_MONTH, MONTH = "2024-11", "2024-10"
ROUTE = "/api/admin/reports/month"
INVOICES = "/api/admin/provider-invoices"
INVOICE = {"provider": "openai", "month": MONTH, "currency": "USD", "total": 1.25, "number": "INV-1"}
ROOT = bearer(Tokens(SECRET), Role.ADMIN)
ACME: dict[str, str] = {}
"""Of the administrator of a client, filled when there is one."""


@pytest.fixture(scope="module")
async def house(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """In November, with a call of each of two clients in October."""
    async with application(mongodb_uri, tmp_path_factory.mktemp("months")) as (client, _):
        call = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 500}
        for owner, day in (("acme", "2024-10-15"), ("zeta", "2024-10-31"), ("zeta", "2024-11-02")):
            body = {**call, "clientId": owner, "createdAt": f"{day}T12:00:00Z"}
            assert (await client.post("/api/ai/track", json=body, headers=ROOT)).status_code == 201
        key = {"name": "administrator", "scopes": ["admin"], "clientId": "acme"}
        ACME.update(holding((await client.post("/api/admin/keys", json=key, headers=ROOT)).json()["key"]))
        client.app.state.months._clock = lambda: NOW
        yield client


def exact(content: bytes) -> Any:
    return json.loads(content, parse_float=Decimal)


async def test_a_report_comes_in_four_forms(house: Client) -> None:
    answers = {
        form: await house.get(f"{ROUTE}/{MONTH}.{form}", headers=ROOT) for form in ("json", "html", "pdf", "csv")
    }
    assert {form: answer.status_code for form, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert {form: answer.headers["content-type"] for form, answer in answers.items()} == {
        "json": "application/json",
        "html": "text/html; charset=utf-8",
        "pdf": "application/pdf",
        "csv": "text/csv; charset=utf-8",
    }
    report = exact(answers["json"].content)
    assert (report["month"], report["status"], report["totals"]["cost"]) == (MONTH, "open", Decimal("0.015"))
    assert answers["pdf"].content.startswith(b"%PDF-1.7")
    assert answers["pdf"].headers["content-disposition"] == f'attachment; filename="twinmeter-{MONTH}.pdf"'
    assert "default-src 'none'; style-src 'sha256-" in answers["html"].headers["content-security-policy"]
    (total,) = [row for row in DictReader(StringIO(answers["csv"].text)) if row["section"] == "total"]
    assert (total["month"], total["requests"], Decimal(total["cost"])) == (MONTH, "2", Decimal("0.015"))


async def test_one_clients_administrator_sees_that_client(house: Client) -> None:
    own = exact((await house.get(f"{ROUTE}/{MONTH}.json", headers=ACME)).content)
    assert (own["clientId"], own["totals"]["requests"]) == ("acme", 1)
    other = await house.get(f"{ROUTE}/{MONTH}.json?clientId=zeta", headers=ACME)
    assert other.status_code == 403
    user = exact((await house.get(f"{ROUTE}/{MONTH}.json?userId=u1", headers=ACME)).content)
    assert (user["userId"], user["totals"]["requests"], user["reconciliation"]) == ("u1", 1, None)
    closing = await house.post(f"{ROUTE}/{MONTH}/close", headers=ACME)
    assert (closing.status_code, closing.json()["detail"]) == (
        403,
        "closing a month is for administrators of all clients",
    )


@pytest.mark.parametrize(
    ("file", "status", "said"),
    [
        (f"{THIS_MONTH}.json", 409, "is not over: its report is there from"),
        (f"{THIS_MONTH}.pdf", 409, "add preview=true"),
        ("2001-01.json", 404, "there are no calls in 2001-01 or before: the first one is of"),
        ("2024-13.json", 400, "month must be a month as 2026-10"),
        ("2024-10.exe", 404, "unknown form; available: 2026-10.json"),
        ("2024-10", 404, "unknown form"),
    ],
)
async def test_what_there_is_no_report_of_is_told(house: Client, file: str, status: int, said: str) -> None:
    answer = await house.get(f"{ROUTE}/{file}", headers=ROOT)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in answer.json()["detail"]


async def test_a_month_that_is_not_over_is_previewed(house: Client) -> None:
    answer = await house.get(f"{ROUTE}/{THIS_MONTH}.json?preview=true", headers=ROOT)
    assert (answer.status_code, answer.json()["status"], answer.json()["totals"]["requests"]) == (200, "preview", 1)


async def test_an_invoice_counts_once(house: Client) -> None:
    answers = [await house.post(INVOICES, json=INVOICE, headers=ROOT) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    other = await house.post(INVOICES, json={**INVOICE, "total": 2}, headers=ROOT)
    assert other.status_code == 409
    credit = await house.post(INVOICES, json={**INVOICE, "number": "CN-1", "total": -0.25}, headers=ROOT)
    assert credit.status_code == 201
    own = await house.post(INVOICES, json={**INVOICE, "number": "X"}, headers=ACME)
    assert (own.status_code, own.json()["clientId"]) == (201, "acme")

    listed = exact((await house.get(INVOICES, params={"month": MONTH}, headers=ROOT)).content)
    seen = exact((await house.get(INVOICES, headers=ACME)).content)
    report = exact((await house.get(f"{ROUTE}/{MONTH}.json", headers=ROOT)).content)

    assert [each["number"] for each in listed["invoices"]] == ["X", "CN-1", "INV-1"]
    assert [each["number"] for each in seen["invoices"]] == ["X"]
    (openai,) = report["reconciliation"]
    assert (openai["invoiced"], openai["invoices"]) == (Decimal("2.25"), 3)
    assert openai["unexplained"] == openai["difference"] == Decimal("2.235")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"month": "2024-13"}, "month"),
        ({"currency": "DOGE"}, "currency"),
        ({"currency": "EUR"}, "currency"),
        ({"total": "NaN"}, "total"),
        ({"total": 1e300}, "total"),
        ({"number": ""}, "number"),
        ({"provider": None}, "provider"),
        ({"more": 1}, "more"),
    ],
)
async def test_a_wrong_invoice_names_the_field(house: Client, wrong: dict[str, Any], field: str) -> None:
    answer = await house.post(INVOICES, json={**INVOICE, "number": "W", **wrong}, headers=ROOT)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (400, [field])
