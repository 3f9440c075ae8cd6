"""What an administrator does on the pages about money: defines, enters, closes, and is told what was refused."""

import re
from datetime import UTC, datetime
from typing import Any

import httpx
from playwright.async_api import Dialog, Page, Route, expect

from tests.browser.deployment import MARKUP, Served
from tests.browser.reading import opened, settled
from tests.browser.watch import Watch

MONTH = f"{datetime.now(UTC):%Y-%m}"


def booked(server: Served, **entry: Any) -> None:
    """An entry of revenue of today."""
    wish = {"kind": "one_time", "currency": "USD", **entry}
    headers = {"Authorization": f"Bearer {server.token}"}
    response = httpx.post(f"{server.address}/api/admin/revenue", json=[wish], headers=headers)
    assert response.status_code in {200, 201, 207}, response.text


async def test_revenue_stands_beside_its_cost_with_the_servers_own_formulas(signed_in: Page, server: Served) -> None:
    page = await opened(signed_in, "/admin/cost/revenue?clientId=paying")
    await expect(page.locator("[data-empty]")).to_contain_text("There are three ways in")

    server.track(clientId="paying", userId="p1", requestId="paying-1")
    booked(server, sourceId="paying-1", clientId="paying", userId="p1", amount=10)
    await page.reload()
    await settled(page)

    await expect(page.locator("[data-empty]")).to_have_count(0)
    figures = {"recognised": "10", "cost": "0.0075", "margin": "9.9925"}
    for name, value in figures.items():
        await expect(page.locator(f'dd[data-figure="{name}"]')).to_have_attribute("data-value", value)
    formulas = page.locator("[data-panel=formulas]")
    await formulas.locator("summary").press("Enter")
    await expect(formulas.get_by_text("recognised - cost", exact=True)).to_be_visible()

    await page.get_by_role("link", name="Margins").press("Enter")
    await page.get_by_role("link", name="User", exact=True).press("Enter")
    row = page.locator("[data-panel=margins]").get_by_role("row", name="p1")
    await expect(row).to_contain_text("$9.99")
    await expect(page).to_have_url(re.compile("/admin/cost/margins.*by=user"))


async def test_an_experiment_named_with_markup_is_defined_and_read(signed_in: Page) -> None:
    page = await opened(signed_in, "/admin/usage/experiments")
    await page.get_by_text("Define an experiment").click()
    await page.get_by_label("Name, as calls have it").fill(MARKUP)
    await page.get_by_label("Variants with commas, the control first").fill("a, b, <b>c</b>")
    await page.get_by_role("button", name="Define", exact=True).press("Enter")
    row = page.locator("[data-panel=experiments]").get_by_role("row", name=MARKUP)
    await expect(row).to_contain_text("a 33.3% (control), b 33.3%, <b>c</b> 33.3%")

    await row.get_by_role("link").press("Enter")
    await settled(page)
    await expect(page.locator("[data-notice=running]")).to_be_visible()
    await expect(page.locator("[data-panel=variants]").get_by_role("row", name="<b>c</b>")).to_be_visible()
    assert await page.title() != "run"


async def test_a_campaign_that_ends_before_it_begins_is_refused_in_words(signed_in: Page, watch: Watch) -> None:
    watch.expect("status of 400")
    page = await opened(signed_in, "/admin/usage/campaigns")
    await page.get_by_text("Define a campaign").click()
    await page.get_by_label("As calls name it", exact=True).fill("spring")
    await page.get_by_label("Name", exact=True).fill("Spring")
    await page.get_by_label("First day").fill("2024-05-02")
    await page.get_by_label("Last day").fill("2024-05-01")
    define = page.get_by_role("button", name="Define", exact=True)
    await define.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("2024-05-02")

    await page.get_by_label("Last day").fill("2024-05-31")
    await page.get_by_label("Budget in USD").fill("12.5")
    await define.press("Enter")
    row = page.locator("[data-panel=campaigns]").get_by_role("row", name="Spring")
    await expect(row).to_contain_text("$12.50")
    await expect(page.get_by_role("alert")).to_have_count(0)
    await row.get_by_role("link").press("Enter")
    await expect(page.locator('dd[data-figure="budget.percent"]')).to_have_attribute("data-value", "0")


async def test_an_invoice_is_entered_once(signed_in: Page) -> None:
    page = await opened(signed_in, "/admin/cost/months")
    await page.get_by_text("Enter an invoice").click()
    for label, text in (("Provider, as calls name it", "house"), ("Month", MONTH), ("Its number", "INV-7")):
        await page.get_by_label(label, exact=True).fill(text)
    await page.get_by_label("Total without tax").fill("12.34")
    await page.get_by_role("button", name="Enter", exact=True).press("Enter")
    row = page.locator("[data-panel=invoices]").get_by_role("row", name="INV-7")
    await expect(row).to_contain_text("12.34 USD")

    await page.locator("[data-panel=months]").get_by_role("row").nth(1).get_by_role("link").first.press("Enter")
    await settled(page)
    await expect(page.locator("[data-section=about]")).to_contain_text("The month is not over")
    invoiced = page.locator("[data-panel=reconciliation]").get_by_role("row", name="house")
    await expect(invoiced).to_contain_text("$12.34")


async def test_a_month_is_closed_by_who_says_so_twice(signed_in: Page, server: Served) -> None:
    report = server.get(f"/api/admin/reports/month/{MONTH}.json", preview="true")
    closed: list[str] = []

    async def answered(route: Route) -> None:
        if route.request.method == "POST":
            closed.append(route.request.url)
        await route.fulfill(json={**_plain(report), "status": "closed" if closed else "open", "closedBy": "root"})

    await signed_in.route(re.compile("/api/admin/reports/month/"), answered)
    answers = iter([False, True])

    async def answer(dialog: Dialog) -> None:
        await (dialog.accept() if next(answers) else dialog.dismiss())

    signed_in.on("dialog", answer)
    page = await opened(signed_in, f"/admin/cost/months?month={MONTH}")
    button = page.get_by_role("button", name="Close this month")
    await button.click()
    assert closed == []
    await button.click()
    await expect(page.locator("[data-section=about]")).to_contain_text("these are the figures of that moment")
    await expect(button).to_have_count(0)
    assert len(closed) == 1


def _plain(report: Any) -> Any:
    """With amounts as a browser reads them, for an answer that is made up."""
    if isinstance(report, dict):
        return {name: _plain(value) for name, value in report.items()}
    if isinstance(report, list):
        return [_plain(each) for each in report]
    return report if isinstance(report, str | int | bool | None) else float(report)
