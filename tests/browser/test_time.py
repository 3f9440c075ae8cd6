"""A page's time: its period in one menu, by keys as well, and what happened by the hour and by the minute."""

import re
from datetime import UTC, datetime, timedelta

from playwright.async_api import Page, expect

from tests.browser.conftest import Axe
from tests.browser.deployment import Served
from tests.browser.reading import opened, settled, shown, until_figure
from tests.browser.test_views import counted, query

TODAY = datetime.now(UTC).date()
YESTERDAY = (TODAY - timedelta(days=1)).isoformat()


async def test_a_period_is_chosen_by_keys_and_stepped_through(signed_in: Page, server: Served, axe: Axe) -> None:
    page = await opened(signed_in, "/admin/usage?data=all")
    menu = page.locator('[data-key="period-menu"] > summary')
    await menu.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="Last 30 days")).to_be_focused()
    assert await axe(page) == []
    await page.keyboard.press("Home")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await until_figure(page, "requests", counted(server, **{"from": YESTERDAY, "to": YESTERDAY}))
    await expect(menu).to_have_text("Yesterday")
    await expect(menu).to_be_focused()
    assert query(page) == {"period": "yesterday", "data": "all"}

    await page.get_by_role("link", name="Previous period").click()
    day = (TODAY - timedelta(days=2)).isoformat()
    await until_figure(page, "requests", counted(server, **{"from": day, "to": day}))
    assert query(page) == {"from": day, "to": day, "data": "all"}
    await page.get_by_role("link", name="Next period").click()
    await expect(menu).to_have_text("Yesterday")

    # two days in the wrong order ask nothing of the server, and nothing typed is lost
    await menu.click()
    await page.get_by_label("First day").fill(YESTERDAY)
    await page.get_by_label("Last day").fill(day)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("The last day is before the first one.")
    await expect(page.get_by_label("Last day")).to_be_focused()
    assert await page.get_by_label("First day").input_value() == YESTERDAY
    await page.keyboard.press("Escape")
    await expect(menu).to_be_focused()
    assert query(page)["period"] == "yesterday"


async def test_a_day_is_shown_by_hours_and_minutes_which_lead_to_their_calls(signed_in: Page, server: Served) -> None:
    page = await opened(signed_in, "/admin/usage?period=yesterday&data=all")
    hours = server.get(
        "/api/admin/ai/timeline", **{"from": YESTERDAY, "to": YESTERDAY, "step": "hour", "synthetic": "include"}
    )["points"]
    drawn = page.locator('[data-panel="requests"] .chart .plot')
    await expect(drawn).to_have_attribute("aria-label", re.compile("Requests by hour"))

    rows = (await shown(page, tables=True)).tables["requests"]

    assert [figures["requests"] for _, figures in rows] == [str(point["requests"]) for point in reversed(hours)]
    busiest = max(range(24), key=lambda hour: hours[hour]["requests"])
    await page.locator(f'[data-row="{YESTERDAY}T{busiest:02}:00+00:00"] a').first.click()
    await settled(page)
    assert query(page)["fromTime"] == hours[busiest]["at"]
    await expect(page.locator("#meta")).to_contain_text(f", {busiest:02}:00 ")

    await page.go_back()
    await page.get_by_role("button", name="Minutes").click()
    await settled(page)
    minutes = (await shown(page, tables=True)).tables["requests"]
    assert sum(int(figures["requests"] or 0) for _, figures in minutes) == sum(point["requests"] for point in hours)
