"""What is looked at is in the address: period, filters, which data, one call; and the browser's buttons lead back."""

import csv
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Page, Route, expect

from tests.browser.deployment import CALL_COST, LONG, REAL_CALLS, Served
from tests.browser.reading import opened, settled, shown, until_figure
from tests.browser.watch import Watch

USAGE = "/api/admin/ai/usage"
TODAY = datetime.now(UTC).date()

FILLS = "each => each.map(one => getComputedStyle(one).fill)"
BACKGROUNDS = "each => each.map(one => getComputedStyle(one).backgroundColor)"


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def counted(server: Served, **params: Any) -> int:
    """Requests, as the route says."""
    return int(server.get(USAGE, **{"synthetic": "include", **params})["totals"]["requests"])


async def test_period_filters_and_data_change_figures_and_address_and_the_back_button_leads_back(
    signed_in: Page, server: Served
) -> None:
    page = await opened(signed_in, "/admin/usage?data=all")

    month = counted(server, days=30)
    await until_figure(page, "requests", month)
    await page.get_by_role("button", name="Last 30 days").click()
    await page.get_by_role("link", name="Last 7 days").click()
    await until_figure(page, "requests", counted(server, days=7))
    assert query(page) == {"days": "7", "data": "all"}

    first, last = TODAY - timedelta(days=15), TODAY - timedelta(days=1)
    await page.get_by_role("button", name="Last 7 days").click()
    await page.get_by_label("First day").fill(first.isoformat())
    await page.get_by_label("Last day").fill(last.isoformat())
    await page.keyboard.press("Enter")
    custom = {"from": first.isoformat(), "to": last.isoformat()}
    await until_figure(page, "requests", counted(server, **custom))
    assert query(page) == {**custom, "data": "all"}
    days = (await shown(page, tables=True)).tables["requests"]
    assert [day for day, _ in days] == [(last - timedelta(days=age)).isoformat() for age in range(15)]

    await page.get_by_role("button", name="Filter").click()
    await page.get_by_label("Feature", exact=True).press_sequentially("chat")
    await page.get_by_role("button", name="Apply").locator("visible=true").click()
    await until_figure(page, "requests", counted(server, **custom, feature="chat"))
    assert query(page) == {**custom, "feature": "chat", "data": "all"}

    await page.get_by_role("link", name="Real", exact=True).click()
    await until_figure(page, "requests", counted(server, **custom, feature="chat", synthetic="exclude"))
    await page.get_by_role("link", name="Demo", exact=True).click()
    await until_figure(page, "requests", counted(server, **custom, feature="chat", synthetic="only"))
    await expect(page.get_by_role("note")).to_contain_text("generated calls")

    for _ in range(5):
        await page.go_back()
    await until_figure(page, "requests", month)
    assert query(page) == {"data": "all"}


async def test_where_there_is_only_demo_data_a_page_opens_on_it_and_says_so(signed_in: Page, server: Served) -> None:
    async def without_real_calls(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, body=(await answer.text()).replace('"shows": "real"', '"shows": "demo"'))

    await signed_in.route("**/admin/usage", without_real_calls)
    page = await opened(signed_in, "/admin/usage")
    await expect(page.get_by_role("note")).to_contain_text("every figure here is from generated calls")
    await until_figure(page, "requests", counted(server, days=30, synthetic="only"))
    await expect(page.get_by_role("link", name="Demo", exact=True)).to_have_attribute("aria-current", "true")

    # real calls are there by now: nothing is left of the banner
    await page.unroute_all()
    await page.reload()
    await until_figure(page, "requests", counted(server, days=30, synthetic="exclude"))
    await expect(page.get_by_role("note")).to_have_count(0)


async def test_a_row_leads_to_its_calls_and_a_call_says_where_its_price_comes_from(
    signed_in: Page, server: Served
) -> None:
    page = await opened(signed_in, "/admin/usage?clientId=acme")
    await shown(page, tables=True)
    await page.locator('[data-panel="features"]').get_by_role("link", name="chat").click()
    await expect(page.locator('[data-panel="calls"] tr[data-row]')).to_have_count(REAL_CALLS)
    assert urlsplit(page.url).path == "/admin/calls"
    assert query(page) == {"clientId": "acme", "feature": "chat"}

    newest = server.get("/api/admin/ai/calls", clientId="acme", limit=1)["calls"][0]
    await page.locator(f'tr[data-row="{newest["id"]}"] a').click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text(newest["priceVersion"])
    await expect(dialog).to_contain_text("Exact usage at list price")
    await expect(dialog.locator('[data-figure="call.cost"]')).to_have_attribute("data-value", str(CALL_COST))
    assert query(page)["call"] == newest["id"]
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(page).not_to_have_url(re.compile("call="))


async def test_rows_of_hours_durations_and_conversations_lead_to_their_own_calls(signed_in: Page) -> None:
    for tab, panel, counted_as in (
        ("usage", "hours", "requests"),
        ("usage", "week", "requests"),
        ("reliability/latency", "distribution", "count"),
        ("usage/conversations", "conversations", "requests"),
        ("reliability", "services", "requests"),
    ):
        page = await opened(signed_in, f"/admin/{tab}?data=demo&days=7")
        await shown(page, tables=True)
        rows = page.locator(f'[data-panel="{panel}"] tr[data-row]')
        # the one with the fewest calls, which a page of the list can hold
        counts = [
            int(await row.locator(f'[data-figure="{counted_as}"]').get_attribute("data-value") or 0)
            for row in await rows.all()
        ]
        least = counts.index(min(count for count in counts if count))
        await rows.nth(least).get_by_role("link").click()
        await page.wait_for_url("**/admin/calls?*")
        listed = page.locator('[data-panel="calls"] tr[data-row]')
        await expect(listed).to_have_count(min(50, counts[least]))
        asked = query(page)
        await page.locator(".of-tab .chip a").first.click()
        await expect(page.locator(".of-tab .chip")).to_have_count(1 if panel == "week" else 0)
        assert len(query(page)) < len(asked)


async def test_calls_are_read_page_by_page(signed_in: Page, server: Served) -> None:
    first = server.get("/api/admin/ai/calls", synthetic="only", limit=50)
    second = server.get("/api/admin/ai/calls", synthetic="only", limit=50, cursor=first["nextCursor"])

    page = await opened(signed_in, "/admin/calls?data=demo")
    ids = [key for key, _ in (await shown(page)).tables["calls"]]
    await page.get_by_role("link", name="Next page").click()
    await expect(page.locator(f'tr[data-row="{second["calls"][0]["id"]}"]')).to_be_visible()

    ids += [key for key, _ in (await shown(page)).tables["calls"]]
    assert ids == [call["id"] for each in (first, second) for call in each["calls"]]


async def test_the_period_before_and_the_series_are_chosen_in_the_address(signed_in: Page, server: Served) -> None:
    page = await opened(signed_in, "/admin/usage?data=all&days=7")
    usage = server.get(USAGE, days=7, synthetic="include", compare="previous", series="model")
    words = page.locator(".compared")
    await expect(words).to_contain_text("Trends: ")
    trend = page.locator('.card[data-key="requests"] [data-trend]')
    await expect(trend).to_have_attribute("data-trend", f"{usage['previous']['changes']['requests']:.2f}")
    # more cost is neither good nor bad
    await expect(page.locator('.card[data-key="cost"] .trend')).to_have_class("trend")

    await page.get_by_role("button", name="Compare").click()
    await expect(page.locator('[data-panel="requests"] .panel-note')).to_contain_text("Dashed: previous period")
    await page.get_by_role("button", name="Model", exact=True).click()
    await expect(page.locator('[data-panel="cost"] .legend li').first).to_have_text(usage["series"][0]["name"])
    areas = page.locator('[data-panel="cost"] .chart .mark-area path')
    # seven have a name of their own, the others are one part
    await expect(areas).to_have_count(8)
    swatches = page.locator('[data-panel="cost"] .legend .swatch')
    assert set(await areas.evaluate_all(FILLS)) == set(await swatches.evaluate_all(BACKGROUNDS))
    assert query(page) == {"days": "7", "data": "all", "compare": "1", "series": "model"}
    await page.reload()
    await settled(page)
    await expect(page.get_by_role("button", name="Compare")).to_have_attribute("aria-pressed", "true")


async def test_the_file_has_all_rows_of_the_filter_with_every_decimal(
    signed_in: Page, server: Served, tmp_path: Path
) -> None:
    page = await opened(signed_in, "/admin/usage/users?data=all")
    async with page.expect_download() as download:
        await page.locator('[data-panel="ranking"]').get_by_role("link", name="CSV").click()
    file = tmp_path / "users.csv"
    await (await download.value).save_as(file)

    rows = list(csv.DictReader(file.read_text("utf-8-sig").splitlines()))
    users = server.get("/api/admin/ai/users", synthetic="include", limit=100)
    assert len(rows) == users["activeUsers"] > 200
    told = {user["userId"]: (str(user["requests"]), format(user["cost"], "f")) for user in users["users"]}
    found = {row["userId"].removeprefix("'"): (row["requests"], row["cost"]) for row in rows}
    assert {name: found[name] for name in told} == told
    assert {"'=1+1", LONG} <= {row["userId"] for row in rows}


async def test_one_user_has_a_page(signed_in: Page, server: Served) -> None:
    page = await opened(signed_in, f"/admin/usage/users?userId={LONG}")
    await expect(page.locator("#title")).to_have_text(LONG)
    await until_figure(page, "requests", server.get(USAGE, userId=LONG)["totals"]["requests"])
    await expect(page.locator('[data-panel="calls"] tr[data-row]')).to_have_count(1)


async def test_who_clicks_twice_sees_the_tab_that_the_address_names(signed_in: Page) -> None:
    page = await opened(signed_in, "/admin?data=demo")
    for name, panel in (("Cost", "months"), ("Reliability", "services")):
        await page.locator("#nav").get_by_role("link", name=name).dblclick()
        await expect(page.get_by_role("heading", level=1)).to_have_text(name)
        await expect(page.locator(f'[data-panel="{panel}"]')).to_be_visible()
        await expect(page.locator('[data-panel="health"]')).to_have_count(0)


async def test_the_days_of_a_chart_are_in_order_though_some_have_no_calls(signed_in: Page, server: Served) -> None:
    for days_ago in (6, 3, 1):
        server.track(clientId="gaps", createdAt=(datetime.now(UTC) - timedelta(days=days_ago)).isoformat())
    page = await opened(signed_in, "/admin/usage?days=7&step=day&clientId=gaps")
    await shown(page)
    labels = page.locator('[data-panel="requests"] .role-axis-label text')
    texts = [text for text in await labels.all_text_contents() if text and not text.isdigit()]
    days = [TODAY - timedelta(days=number) for number in range(6, -1, -1)]
    assert texts == [f"{day.day} {day:%b}" for day in days]


async def test_a_date_that_is_none_is_said_and_the_way_back_stays(signed_in: Page, watch: Watch) -> None:
    watch.expect("status of 400")
    alert = signed_in.get_by_role("alert").locator("visible=true").first
    page = await opened(signed_in, "/admin/usage?from=foo")
    await expect(page.get_by_role("button", name="Last 30 days")).to_be_visible()

    await page.goto(f"{page.url.split('/admin')[0]}/admin/calls?data=demo&weekday=9")
    await expect(alert).to_contain_text("weekday")
    await expect(page.locator(".of-tab .chip")).to_contain_text("Weekday: 9")


async def test_signing_out_in_one_tab_ends_the_others(signed_in: Page) -> None:
    first = await opened(signed_in, "/admin?data=demo")
    second = await first.context.new_page()
    await second.goto(first.url)
    await settled(second)
    await second.get_by_role("button", name="Sign out").click()
    await expect(first.get_by_text("You are signed out on this browser.")).to_be_visible()
    await expect(first.locator("[data-panel]")).to_have_count(0)
