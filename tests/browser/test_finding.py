"""Finding: the palette, the order of a list of calls, and where names in a call lead."""

import re

from playwright.async_api import Page, expect


async def test_a_users_dearest_call_is_found_by_keys_alone(signed_in: Page) -> None:
    page = signed_in
    await page.goto("/admin")
    await expect(page.get_by_role("button", name="Find")).to_be_visible()
    await expect(page.locator("#view")).to_have_attribute("aria-busy", "false")

    await page.keyboard.press("?")
    await expect(page.locator("#finder-keys")).to_contain_text("Find anything")
    await page.keyboard.press("Escape")
    await expect(page.locator("#finder")).not_to_be_visible()
    await page.keyboard.press("/")
    box = page.get_by_role("combobox")
    await expect(box).to_be_focused()
    await page.keyboard.type("call")
    option = page.get_by_role("option").filter(has_text="Page").first
    await expect(option).to_have_text(re.compile("Calls"))
    await expect(option).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("/admin/calls"))
    await expect(page.locator("#finder")).not_to_be_visible()

    cost = page.get_by_role("columnheader", name="Cost")
    await expect(cost).to_have_attribute("aria-sort", "none")
    await cost.get_by_role("link").press("Enter")
    await expect(page).to_have_url(re.compile("sort=-cost"))
    await expect(cost).to_have_attribute("aria-sort", "descending")
    await expect(page.locator("#view")).to_have_attribute("aria-busy", "false")
    figures = page.locator("tbody [data-figure=cost]")
    costs = [float(await each.get_attribute("data-value") or "nan") for each in await figures.all()]
    assert costs == sorted(costs, reverse=True)
    assert len(costs) > 1

    user = await page.locator("tbody [data-figure=userId]").first.inner_text()
    await page.locator("tbody a.row-link").first.press("Enter")
    dialog = page.locator("dialog[aria-labelledby=call-title]")
    await dialog.get_by_role("link", name=user, exact=True).press("Enter")
    await expect(page).to_have_url(re.compile("/admin/usage/users"))
    await expect(page.locator("#title")).to_have_text(user)


async def test_pages_of_calls_lead_on_and_back_and_a_cost_narrows_them(signed_in: Page) -> None:
    page = signed_in
    await page.goto("/admin/calls?days=30&data=all")
    rows = page.locator("tbody tr")
    await expect(page.locator("[data-next]")).to_be_visible()
    first = await rows.first.get_attribute("data-row")
    await page.locator("[data-next]").click()
    await expect(page.locator("[data-previous]")).to_be_visible()
    await expect(page.locator(".table-foot")).to_contain_text("51 to 100")
    await page.locator("[data-previous]").click()
    await expect(page.locator(".table-foot")).to_contain_text("1 to 50")
    assert first

    await page.get_by_label("Cost from ($)").fill("0.0001")
    await page.get_by_label("Cost from ($)").press("Enter")
    await expect(page.locator("[data-filter=minCost]")).to_contain_text("$0.0001 or more")
