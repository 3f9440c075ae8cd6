"""What the other tests here rest on: the history behind the pages, and that a fault of a page is seen."""

from playwright.async_api import Page

from tests.browser.conftest import Axe
from tests.browser.deployment import REAL_CALLS, REAL_COST, Served
from tests.browser.watch import Watch


async def test_the_history_behind_the_pages_is_known_to_the_digit(server: Served) -> None:
    totals = server.get("/api/admin/ai/usage", days=30, clientId="acme")["totals"]

    assert (totals["requests"], totals["cost"]) == (REAL_CALLS, REAL_COST)
    assert server.get("/api/admin/ai/usage", days=30, synthetic="only")["totals"]["requests"] > 500


async def test_what_no_page_may_do_is_seen(page: Page, watch: Watch, axe: Axe) -> None:
    await page.goto("/admin/nowhere")
    assert ["404" in each for each in watch.faults] == [True]

    await page.evaluate("document.body.setAttribute('style', 'color: red')")
    await page.evaluate("document.head.append(Object.assign(document.createElement('script'), {text: '1'}))")
    await page.evaluate("fetch('http://elsewhere.example/').catch(() => {})")
    await page.evaluate("new Promise(done => { setTimeout(done); setTimeout(() => { throw new Error('late'); }); })")
    await page.evaluate("document.body.append(document.createElement('img'))")

    found = "\n".join(watch.faults)
    for each in ("inline style", "inline script", "elsewhere.example", "error on the page: late"):
        assert each in found, found
    assert any(each.startswith("image-alt: img") for each in await axe(page))
    watch.expect(".")
