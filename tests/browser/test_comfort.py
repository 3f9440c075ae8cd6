"""Keyboard, dark mode, calm screens, and the zone that a browser happens to be in."""

from playwright.async_api import Page, StorageState, expect

from tests.browser.conftest import WIDE, OpenPage
from tests.browser.reading import opened, settled, shown
from tests.browser.watch import Watch

MOVING = "document.getAnimations().filter(each => each.playState === 'running').length"
MOST_TABS = 60
TEXTS = """() => [document.getElementById("meta"), document.getElementById("view")].map(each => each.textContent)"""


async def test_the_keyboard_leads_past_the_menu_to_the_table_behind_a_chart(signed_in: Page) -> None:
    page = await opened(signed_in, "/admin/usage?clientId=acme")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the figures")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#main")).to_be_focused()
    toggle = page.get_by_role("button", name="Table of Requests over time")
    for _ in range(MOST_TABS):
        if await toggle.evaluate("each => each === document.activeElement"):
            break
        await page.keyboard.press("Tab")
    await expect(toggle).to_be_focused()

    await page.keyboard.press("Enter")
    await expect(toggle).to_have_attribute("aria-pressed", "true")
    await expect(toggle).to_be_focused()
    table = page.get_by_role("table", name="Requests by day")
    await expect(table.get_by_role("row")).to_have_count(31)
    await expect(table.get_by_role("columnheader").first).to_have_text("Day (UTC)")
    await page.keyboard.press("Space")
    await expect(page.get_by_role("application", name="Requests by day").first).to_be_visible()


async def test_dark_is_as_the_system_or_as_chosen_and_stays(open_page: OpenPage, session: StorageState) -> None:
    page = await open_page(storage_state=session, color_scheme="dark")
    await opened(page, "/admin/cost?clientId=acme")
    html, body = page.locator("html"), page.locator("body")
    await expect(html).to_have_attribute("data-theme", "dark")
    await expect(body).to_have_css("background-color", "rgb(14, 16, 20)")
    ink = 'document.querySelector(".chart svg text").getAttribute("fill")'
    dark = await page.evaluate(ink)

    await expect(page.get_by_role("button", name="System")).to_have_attribute("aria-pressed", "true")
    await page.get_by_role("button", name="Light").click()
    await expect(body).to_have_css("background-color", "rgb(246, 247, 249)")
    await settled(page)
    await page.reload()
    await settled(page)
    await expect(html).to_have_attribute("data-theme", "light")
    assert await page.evaluate(ink) != dark


async def test_who_wants_less_motion_gets_none(open_page: OpenPage, session: StorageState) -> None:
    found = {}
    for wish in ("no-preference", "reduce"):
        page = await open_page(storage_state=session, reduced_motion=wish)
        await page.route("**/api/admin/ai/summary?*", lambda _: None)
        await page.goto("/admin?clientId=acme")
        await page.locator(".skeleton").first.wait_for()
        found[wish] = await page.evaluate(MOVING)
        await page.unroute_all(behavior="ignoreErrors")
    assert found["no-preference"] > 0
    assert found["reduce"] == 0


async def test_a_browser_in_los_angeles_shows_the_days_of_one_in_utc(
    signed_in: Page, open_page: OpenPage, session: StorageState
) -> None:
    texts = []
    for page in (signed_in, await open_page(storage_state=session, timezone_id="UTC", viewport=WIDE)):
        await opened(page, "/admin/usage?clientId=acme&days=7")
        with_charts = await page.evaluate(TEXTS)
        await shown(page, tables=True)
        texts.append([with_charts, await page.evaluate(TEXTS)])
        await opened(page, "/admin/calls?clientId=acme")
        texts[-1].append(await page.evaluate(TEXTS))
    assert texts[0] == texts[1]


async def test_no_page_is_missing_and_says_so(page: Page, watch: Watch) -> None:
    watch.expect("status of 404")
    await page.goto("/admin/nowhere")
    await expect(page.get_by_role("heading", name="There is no page at this address")).to_be_visible()
