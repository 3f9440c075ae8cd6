"""Revenue and rates over HTTP."""

from decimal import Decimal
from typing import Any

import pytest

from tests.routes.administration.conftest import Admin

JUNE = {"start": "2026-06-01T00:00:00Z", "end": "2026-07-01T00:00:00Z", "at": "2026-06-01T00:00:00Z"}


def entry(source_id: str, **more: Any) -> dict[str, Any]:
    fields = {"kind": "subscription", "clientId": "shop", "userId": source_id, "amount": 19.99, "currency": "USD"}
    return {**fields, **JUNE, "sourceId": source_id, **more}


async def test_an_entry_is_booked_once_and_listed(admin: Admin) -> None:
    made = await admin.post("/revenue", entry("r1", note="by hand", plan="pro", planVersion=1))
    again = await admin.post("/revenue", entry("r1", note="by hand"), 200)

    assert (made["status"], again["status"], again["message"]) == ("booked", "there", None)
    assert made["entry"] == again["entry"]
    assert (await admin.get("/revenue", userId="r1"))["entries"] == [made["entry"]]
    told = {name: made["entry"][name] for name in ("id", "amount", "usd", "rate", "source", "recognisedFrom", "note")}
    assert told == {
        "id": "manual:r1",
        "amount": Decimal("19.99"),
        "usd": Decimal("19.99"),
        "rate": 1,
        "source": "manual",
        "recognisedFrom": "2026-06-01T00:00:00.000Z",
        "note": "by hand",
    }


async def test_many_are_booked_together_with_a_receipt_for_each(admin: Admin) -> None:
    rows = [entry("r2"), entry("r3", currency="XXX"), "no object", entry("r2"), entry("r4", amount=0)]

    answer = await admin.post("/revenue", rows, 200)

    assert answer["summary"] == {"booked": 1, "refused": 3, "there": 1}
    assert [one["status"] for one in answer["receipts"]] == ["booked", "refused", "refused", "there", "refused"]
    assert [one["errors"] for one in answer["receipts"]][1:3] == [
        [{"field": "currency", "message": "is not a currency of ISO 4217, such as USD or EUR"}],
        [{"field": "", "message": "must be a JSON object"}],
    ]
    assert answer["receipts"][4]["message"] == "amount: must not be 0: nothing came due"


async def test_a_dry_run_says_what_would_become_of_it(admin: Admin) -> None:
    answer = await admin.post("/revenue?dryRun=true", [entry("r5"), entry("r6", currency="CHF")], 200)

    assert answer["summary"] == {"booked": 1, "refused": 1}
    assert (await admin.get("/revenue", userId="r5"))["entries"] == []


@pytest.mark.parametrize(
    ("minor", "currency", "amount"), [(1999, "USD", "19.99"), (2000, "JPY", "2000"), (1500, "KWD", "1.5")]
)
async def test_an_amount_may_be_sent_in_the_smallest_unit(admin: Admin, minor: int, currency: str, amount: str) -> None:
    if currency != "USD":
        await admin.post("/revenue/rates", [{"currency": currency, "day": "2026-01-01", "usd": 2}], 200)
    sent = {name: value for name, value in entry(f"m-{currency}", currency=currency).items() if name != "amount"}

    made = await admin.post("/revenue", {**sent, "amountMinor": minor})

    assert str(made["entry"]["amount"]) == amount


@pytest.mark.parametrize(
    ("more", "field", "message"),
    [
        ({"amount": None}, "amount", "is needed, or amountMinor: exactly one of them"),
        ({"amountMinor": 1999}, "amount", "is needed, or amountMinor: exactly one of them"),
        ({"amount": None, "amountMinor": 19.99}, "amountMinor", "valid integer"),
        ({"amount": 0}, "amount", "must not be 0: nothing came due"),
        ({"amount": -5}, "amount", "of a subscription must be above 0: what takes back is a refund"),
        ({"amount": "many"}, "amount", "valid decimal"),
        ({"end": None}, "end", "is missing: when the period ends that a subscription pays for"),
        ({"end": "2026-05-01T00:00:00Z"}, "end", "must not be before start"),
        ({"end": "2096-05-01T00:00:00Z"}, "end", "is too far in the future"),
        ({"at": "2096-05-01T00:00:00Z"}, "at", "is in the future"),
        ({"at": "2026-06-01T00:00:00"}, "at", "timezone"),
        ({"currency": "CHF"}, "currency", "there is no rate on or before 2026-06-01"),
        ({"currency": "Franken"}, "currency", "is not a currency of ISO 4217"),
        ({"kind": "gift"}, "kind", "'subscription', 'usage', 'one_time', 'refund' or 'credit'"),
        ({"sourceId": ""}, "sourceId", "at least 1 character"),
        ({"subscriptionId": "nobody"}, "subscriptionId", "there is no subscription nobody"),
        ({"kind": "refund", "amount": -5}, "refunds", "is missing: it names the entry that a refund takes back"),
        ({"kind": "refund", "amount": -5, "refunds": "manual:no"}, "refunds", "there is no manual:no"),
        ({"source": "stripe"}, "source", "unknown field"),
        ({"usd": 5}, "usd", "unknown field"),
        ({"note": "x" * 1_001}, "note", "at most 1000 characters"),
        ({"userId": {"$gt": ""}}, "userId", "valid string"),
    ],
)
async def test_what_cannot_be_booked_is_answered_clearly(
    admin: Admin, more: dict[str, Any], field: str, message: str
) -> None:
    fields, detail = await admin.refused("/revenue", entry("bad", **more))

    assert fields == [field]
    assert message in detail
    assert (await admin.get("/revenue", userId="bad"))["entries"] == []


async def test_a_refund_larger_than_what_is_left_names_both_amounts(admin: Admin) -> None:
    made = await admin.post("/revenue", entry("r7", amount=20))
    back = {"kind": "refund", "currency": "USD", "refunds": made["entry"]["id"]}
    await admin.post("/revenue", {**back, "sourceId": "r7-1", "amount": -15})

    fields, detail = await admin.refused("/revenue", {**back, "sourceId": "r7-2", "amount": -6})

    assert fields == ["amount"]
    assert detail == "amount: is more than that: 5 of 20 USD are left to be refunded, not 6"


async def test_two_subscriptions_of_a_user_in_one_time_are_refused_unless_meant(admin: Admin) -> None:
    await admin.post("/revenue", entry("r8"))

    fields, detail = await admin.refused("/revenue", entry("r8b", userId="r8"))

    assert fields == ["start"]
    assert "overlaps what this user has paid for" in detail
    await admin.post("/revenue", entry("r8b", userId="r8", overlaps=True))


async def test_one_client_s_administrator_books_and_sees_that_client_s(admin: Admin) -> None:
    theirs = await admin.of_client("rc-cafe")
    await admin.post("/revenue", entry("r9", clientId="rc-shop"))

    made = await theirs.post("/revenue", entry("r9", clientId=None))
    refused, _ = await theirs.refused("/revenue", entry("r10", clientId="rc-shop"))

    assert (made["entry"]["clientId"], made["entry"]["id"]) == ("rc-cafe", "manual@rc-cafe|r9")
    assert refused == ["clientId"]
    assert [one["clientId"] for one in (await theirs.get("/revenue"))["entries"]] == ["rc-cafe"]
    await theirs.get("/revenue", 403, clientId="rc-shop")
    await theirs.post("/revenue/rates", {"currency": "CHF", "day": "2026-01-01", "usd": 1.1}, 403)
    other = {"kind": "refund", "currency": "USD", "amount": -1, "sourceId": "r11", "refunds": "manual:r9"}
    assert (await theirs.refused("/revenue", other))[1].startswith(
        "refunds: names no entry: there is no manual:r9; it is the id"
    )


async def test_lists_are_filtered_and_paged(admin: Admin) -> None:
    noon = [f"2026-06-0{n}T12:00:00Z" for n in (1, 2, 3)]
    more = {"clientId": "paged", "userId": "pat", "kind": "usage"}
    days = [entry(f"p{n}", at=at, **more) for n, at in enumerate(noon, 1)]
    await admin.post("/revenue", [*days, entry("p4", clientId="paged", userId="pia", plan="pro")], 200)

    async def listed(**query: Any) -> list[str]:
        return [one["sourceId"] for one in (await admin.get("/revenue", clientId="paged", **query))["entries"]]

    first = await admin.get("/revenue", clientId="paged", limit=2)
    rest = await admin.get("/revenue", clientId="paged", limit=2, cursor=first["nextCursor"])
    assert [one["sourceId"] for one in first["entries"] + rest["entries"]] == ["p3", "p2", "p1", "p4"]
    assert rest["nextCursor"] is None
    assert await listed(userId="pia") == await listed(plan="pro") == await listed(kind="subscription") == ["p4"]
    assert await listed(**{"from": "2026-06-02", "to": "2026-06-02"}) == ["p2"]
    assert await listed(source="stripe") == await listed(subscriptionId="s") == await listed(synthetic="only") == []
    await admin.get("/revenue", 400, source="nothing")
    await admin.get("/revenue", 400, **{"from": "2026-06-02", "to": "2026-06-01"})


async def test_all_of_a_filter_is_downloaded_and_no_text_is_run_by_a_spreadsheet(admin: Admin) -> None:
    await admin.post("/revenue", entry("d1", clientId="csv", note="=HYPERLINK(1)", kind="credit", amount=-0.5))

    response = await admin._client.get("/api/admin/revenue/entries.csv?clientId=csv", headers=admin.headers)

    header, row = response.text.splitlines()
    cells = dict(zip(header.split(","), row.split(","), strict=True))
    assert response.headers["content-type"].startswith("text/csv")
    assert (cells["id"], cells["amount"], cells["usd"]) == ("manual:d1", "-0.5", "-0.5")
    assert cells["note"] == "'=HYPERLINK(1)"


# rates


async def test_rates_are_added_and_listed(admin: Admin) -> None:
    rate = {"currency": "SEK", "day": "2026-06-01", "usd": 0.095}

    made = await admin.post("/revenue/rates", rate)

    assert (made["status"], str(made["rate"]["usd"])) == ("added", "0.095")
    assert (await admin.post("/revenue/rates", rate, 200))["status"] == "there"
    assert (await admin.post("/revenue/rates", {**rate, "usd": 0.096}, 200))["status"] == "replaced"
    await admin.post("/revenue", entry("s1", currency="SEK"))
    assert (await admin.refused("/revenue/rates", {**rate, "usd": 0.097}))[0] == ["usd"]
    found = (await admin.get("/revenue/rates", currency="sek", limit=1))["rates"]
    assert [(one["currency"], one["day"], str(one["usd"])) for one in found] == [("SEK", "2026-06-01", "0.096")]


async def test_rates_may_be_sent_as_csv(admin: Admin) -> None:
    body = "\ufeffcurrency,day,usd\nnok,2026-06-01,0.1\nNOK,2026-06-02,0.11\nDKK,soon,1\nDKK,2026-06-02,0\n,,,x\n"
    headers = {**admin.headers, "Content-Type": "text/csv; charset=utf-8"}

    response = await admin._client.post("/api/admin/revenue/rates", content=body.encode(), headers=headers)

    answer = response.json()
    assert answer["summary"] == {"added": 2, "refused": 3}
    assert [[fault["field"] for fault in one["errors"]] for one in answer["receipts"][2:]] == [["day"], ["usd"], [""]]
    pages = await admin.get("/revenue/rates", currency="NOK", limit=1)
    following = await admin.get("/revenue/rates", currency="NOK", cursor=pages["nextCursor"])
    assert [one["day"] for one in pages["rates"] + following["rates"]] == ["2026-06-02", "2026-06-01"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"usd": -1}, "usd"),
        ({"usd": 0}, "usd"),
        ({"usd": "1e-30"}, "usd"),
        ({"currency": "USD"}, "currency"),
        ({"day": 5.5}, "day"),
    ],
)
async def test_what_is_no_rate_is_refused(admin: Admin, more: dict[str, Any], field: str) -> None:
    rate = {"currency": "PLN", "day": "2026-06-01", "usd": 1, **more}

    assert (await admin.refused("/revenue/rates", rate))[0] == [field]


async def test_a_body_that_is_no_list_of_entries_is_refused_as_a_whole(admin: Admin) -> None:
    many = [entry("many")] * 1_001

    assert "at most 1,000 rows" in (await admin.post("/revenue", many, 413))["detail"]
    for content, media_type, status in ((b"{", "application/json", 400), (b"a", "text/plain", 415)):
        headers = {**admin.headers, "Content-Type": media_type}
        response = await admin._client.post("/api/admin/revenue", content=content, headers=headers)
        assert response.status_code == status
