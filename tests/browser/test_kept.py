"""What people take from pages and leave on them: paper, and saved views."""

import io
import re

from playwright.async_api import Page, expect
from pypdf import PdfReader

from tests.browser.conftest import NARROW, WIDE, Axe
from tests.browser.deployment import Served
from tests.browser.reading import opened, sticking_out

WIDEST = 700
"""CSS pixels that an A4 page has between its margins, about."""
CHARTS = """each => each.map(chart => {
  const drawing = chart.querySelector("svg");
  const drawn = drawing?.querySelectorAll("g.mark-group path, g.mark-text text").length ?? 0;
  return [chart.getBoundingClientRect().width, drawn];
})"""


async def test_a_page_prints_whole(signed_in: Page) -> None:
    for tab in ("usage", "cost"):
        page = await opened(signed_in, f"/admin/{tab}?data=all")
        titles = await page.locator("#view [data-panel] h2").all_inner_texts()
        printed = PdfReader(io.BytesIO(await page.pdf(prefer_css_page_size=True)))
        text = " ".join("".join(each.extract_text() for each in printed.pages).split())
        assert [title for title in titles if title not in text] == [], tab

        await page.emulate_media(media="print")
        await page.evaluate("dispatchEvent(new Event('beforeprint'))")
        charts = await page.locator("#view .chart:visible").evaluate_all(CHARTS)
        assert len(charts) >= 3
        assert [chart for chart in charts if chart[0] > WIDEST * 2 or chart[1] < 2] == [], tab
        await page.emulate_media(media="screen")


async def test_a_view_is_saved_renamed_and_deleted_and_says_where_its_filter_finds_nothing(
    signed_in: Page, server: Served, axe: Axe
) -> None:
    page = await opened(signed_in, "/admin/usage?model=no-such-model&days=7")
    menu = page.locator("#kept")
    await menu.get_by_role("button", name="Views").click()
    await menu.get_by_label("Save this view as").fill("Of no model")
    await page.keyboard.press("Enter")
    await expect(menu.get_by_role("status")).to_have_text("Saved as Of no model")
    (view,) = server.get("/api/admin/views")["views"]
    assert (view["name"], view["address"]) == ("Of no model", "/admin/usage?days=7&model=no-such-model")
    await expect(menu.get_by_label("Save this view as")).to_have_value("")

    await menu.get_by_role("button", name="Rename Of no model").press("Enter")
    field = menu.get_by_label("New name of Of no model")
    await expect(field).to_be_focused()
    await field.fill("Of none")
    await page.keyboard.press("Enter")
    await expect(menu.get_by_role("button", name="Rename Of none")).to_be_focused()
    assert await axe(page) == []
    await page.set_viewport_size(NARROW)
    assert await sticking_out(page) == []
    await page.set_viewport_size(WIDE)

    await opened(page, "/admin/cost?days=7")
    await menu.get_by_role("button", name="Views").click()
    await expect(menu.locator(".kept")).to_contain_text("No calls with model no-such-model in the last 365 days")
    await menu.get_by_role("link", name="Of none").click()
    await expect(page).to_have_url(re.compile(re.escape(view["address"]) + "$"))
    await menu.get_by_role("button", name="Views").click()
    await menu.get_by_role("button", name="Delete Of none").click()
    await expect(menu.get_by_role("status")).to_have_text("Deleted Of none")
    assert server.get("/api/admin/views")["views"] == []
