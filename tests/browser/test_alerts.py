"""What an administrator does to endpoints and deliveries on the page of alerts."""

import re

from playwright.async_api import Page, expect

from tests.alerts.receiver import receiving
from tests.browser.deployment import Served
from tests.browser.reading import opened
from tests.browser.watch import Watch


async def test_an_endpoint_is_made_its_secret_shown_once_and_a_test_arrives(signed_in: Page) -> None:
    page = await opened(signed_in, "/admin/settings/alerts")
    async with receiving(500, 204) as receiver:
        await page.get_by_text("Add an endpoint").click()
        await page.get_by_label("Name", exact=True).fill("billing")
        await page.get_by_label("URL, or e-mail addresses with commas").fill(receiver.url)
        await page.get_by_label("Is told").select_option("Unusual spending")
        await page.get_by_role("button", name="Add", exact=True).press("Enter")
        await expect(page.locator("[data-secret]")).to_have_text(re.compile("^whsec_"))
        row = page.get_by_role("row", name="billing")
        await expect(row).to_contain_text("Unusual spending")
        await expect(row).to_contain_text(receiver.url)

        await page.get_by_role("button", name="Test: billing").click()
        delivery = page.locator("[data-panel=deliveries]").get_by_role("row", name="billing")
        await expect(delivery).to_contain_text("answered 500")
        await expect(delivery).to_contain_text("Pending")
        await page.get_by_role("button", name="Send again to billing").click()
        await expect(delivery).to_contain_text("arrived, 204")
        await expect(delivery).to_contain_text("Delivered")
    # where the page is slow, the schedule's own second attempt is made before the button is pressed
    assert len(receiver.received) in {2, 3}
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1

    await page.get_by_role("button", name="Switch off: billing").click()
    await expect(page.get_by_role("button", name="Switch on: billing")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("row", name="billing").last).to_be_visible()
    await expect(page.locator("[data-secret]")).to_have_count(0)
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="End: billing").click()
    await expect(page.get_by_role("button", name="End: billing")).to_have_count(0)


async def test_deliveries_are_read_page_by_page(signed_in: Page, server: Served) -> None:
    for name in ("first", "second", "third"):
        server.tested_endpoint(name, client="pages")
    short = re.compile(r"/api/admin/deliveries\?")
    await signed_in.route(short, lambda route: route.continue_(url=route.request.url.replace("limit=50", "limit=2")))
    page = await opened(signed_in, "/admin/settings/alerts?clientId=pages")
    deliveries = page.locator("[data-panel=deliveries]")
    rows = deliveries.locator("tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.nth(0)).to_contain_text("third")
    await deliveries.get_by_role("link", name="Next page").click()
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("first")
    await deliveries.get_by_role("link", name="First page").click()
    await expect(rows).to_have_count(2)


async def test_what_is_refused_is_said(signed_in: Page, watch: Watch) -> None:
    watch.expect("status of 400")
    page = await opened(signed_in, "/admin/settings/alerts")
    await page.get_by_text("Add an endpoint").click()
    await page.get_by_label("Name", exact=True).fill("inside")
    await page.get_by_label("URL, or e-mail addresses with commas").fill("https://169.254.169.254/latest")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("is a private address")


async def test_a_kind_is_muted_for_a_week_and_told_again(signed_in: Page) -> None:
    page = await opened(signed_in, "/admin/settings/alerts")
    muted = page.locator("[data-panel=mutes]")
    await muted.locator("summary").click()
    await page.get_by_label("What", exact=True).select_option("Slow providers")
    await page.get_by_label("For", exact=True).select_option("A week")
    await page.get_by_label("Of one provider").fill("openai")
    await page.get_by_role("button", name="Mute", exact=True).press("Enter")
    row = muted.get_by_role("row", name="Slow providers")
    await expect(row).to_contain_text("openai")
    await page.get_by_role("button", name="Tell again: Slow providers").click()
    await expect(row).to_have_count(0)
