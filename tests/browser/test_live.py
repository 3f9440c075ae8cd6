"""What is committed while a page is open shows there by itself; and what it does without the stream."""

from time import monotonic

from playwright.async_api import Page, Route, StorageState, expect

from tests.browser.conftest import OpenPage
from tests.browser.deployment import CALL_COST, Served
from tests.browser.reading import opened, settled, until_figure
from tests.browser.watch import Watch
from tests.patience import patience

SOON_S = 2.0
TRIES = 3
"""The machine may be busy with other tests: one of so many calls has to show in time."""
STREAM = "**/api/admin/ai/live"


async def test_a_call_shows_on_the_open_page_within_two_seconds_of_its_commit(signed_in: Page, server: Served) -> None:
    server.track(clientId="live", userId="before")
    page = await opened(signed_in, "/admin/usage?clientId=live")
    await expect(page.locator("#status")).to_have_attribute("data-stream", "live")
    await page.evaluate("window.notReloaded = true")

    took = []
    for number in range(2, TRIES + 2):
        assert server.track(clientId="live", userId=f"user-{number}")["status"] == "committed"
        committed = monotonic()
        await until_figure(page, "requests", number)
        took.append(monotonic() - committed)
        await until_figure(page, "activeUsers", number)
        await until_figure(page, "cost", (number * CALL_COST).normalize())
    assert min(took) < patience(SOON_S), took
    # charts follow, too, and the page is the one that was opened
    day = page.locator('[data-panel="users"] tr[data-row="user-2"]')
    await expect(day).to_be_visible()
    assert await page.evaluate("window.notReloaded")


async def test_without_the_stream_the_page_says_so_and_asks_every_thirty_seconds(
    open_page: OpenPage, session: StorageState, server: Served, watch: Watch
) -> None:
    watch.expect("status of 503")
    page = await open_page(storage_state=session)
    server.track(clientId="poll", userId="first")

    async def down(route: Route) -> None:
        await route.fulfill(status=503, headers={"Retry-After": "5"})

    await page.route(STREAM, down)
    await page.clock.install()
    await opened(page, "/admin/usage?clientId=poll")
    await expect(page.locator("#stream")).to_have_text("Updates every 30 s")
    await until_figure(page, "requests", 1)

    server.track(clientId="poll", userId="second")
    await page.clock.run_for(31_000)
    await until_figure(page, "requests", 2)

    # the stream is back: said, and what was missed is asked for
    server.track(clientId="poll", userId="third")
    await page.unroute(STREAM)
    await page.clock.run_for(31_000)
    await expect(page.locator("#stream")).to_have_text("Live")
    await page.clock.run_for(2_000)
    await until_figure(page, "requests", 3)
    await settled(page)


async def test_two_pages_of_a_browser_share_one_stream(signed_in: Page, server: Served) -> None:
    streams: list[str] = []
    signed_in.context.on("request", lambda each: streams.append(each.url) if each.url.endswith("/ai/live") else None)
    server.track(clientId="shared", userId="first")
    first = await opened(signed_in, "/admin/usage?clientId=shared")
    await expect(first.locator("#stream")).to_have_text("Live")
    second = await opened(await first.context.new_page(), "/admin/usage/users?clientId=shared")
    await expect(second.locator("#stream")).to_have_text("Live")

    server.track(clientId="shared", userId="second")

    await until_figure(first, "requests", 2)
    await until_figure(second, "requests", 2)
    assert len(streams) == 1
