"""Windows with little or too much in them, slow and failing servers: each looks deliberate."""

from datetime import UTC, datetime
from decimal import Decimal

from playwright.async_api import Page, Route, expect

from app.http.serialization import encode
from tests.browser.conftest import NARROW, WIDE
from tests.browser.deployment import CALL_COST, LONG, MARKUP, Served
from tests.browser.reading import exact, opened, settled, shown, sticking_out, until_figure
from tests.browser.watch import Watch

USAGE = "**/api/admin/ai/usage?*"
MODELS = "**/api/admin/ai/models?*"
# how long each request may take is noted, and up when the test says so
PATIENCE = """window.patience = [];
AbortSignal.timeout = ms => {
  const controller = new AbortController();
  window.patience.push({ ms, end: () => controller.abort() });
  return controller.signal;
};"""
END = "() => { for (const each of window.patience) each.end(); }"
LEAST = Decimal("0.000000000000001")


async def test_a_request_over_ten_seconds_ends_in_a_message_with_a_retry(signed_in: Page, server: Served) -> None:
    page = signed_in
    await page.add_init_script(PATIENCE)
    await page.route(USAGE, lambda _: None)  # it stays without an answer
    await page.goto("/admin/cost?clientId=acme")
    months = page.locator('[data-panel="months"]')
    await expect(months).to_be_visible()
    await expect(page.locator(".skeleton").first).to_be_visible()

    await page.evaluate(END)
    alert = page.get_by_role("alert").first
    await expect(alert).to_contain_text("The server did not answer within 10 seconds")
    assert set(await page.evaluate("window.patience.map(each => each.ms)")) == {10_000}
    # nothing goes on turning, and what has an answer stays
    await expect(page.locator(".skeleton")).to_have_count(0)
    await expect(months).to_be_visible()

    await page.unroute(USAGE)
    await alert.get_by_role("button", name="Try again").click()
    await until_figure(page, "cost", server.get("/api/admin/ai/usage", clientId="acme")["totals"]["cost"])
    await expect(page.get_by_role("alert").locator("visible=true")).to_have_count(0)


async def test_a_server_that_fails_says_what_happened(signed_in: Page, watch: Watch) -> None:
    watch.expect("status of 500|ERR_FAILED|status of 400")
    page = signed_in

    async def failing(route: Route) -> None:
        await route.fulfill(status=500, json={"title": "Internal error", "detail": "it was logged as 42"})

    await page.route(MODELS, failing)
    await page.goto("/admin/usage/models")
    await expect(page.get_by_role("alert").locator("visible=true")).to_contain_text("it was logged as 42")

    await page.unroute(MODELS)
    await page.route(MODELS, lambda route: route.abort())
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_role("alert").locator("visible=true")).to_contain_text("The server cannot be reached")

    # a name longer than any may be
    await page.unroute(MODELS)
    await page.goto(f"/admin/usage/models?model={'x' * 300}")
    await expect(page.get_by_role("alert").locator("visible=true")).to_contain_text("model")


async def test_a_window_without_calls_says_what_to_do(signed_in: Page) -> None:
    for tab in (
        "usage",
        "reliability",
        "usage/features",
        "usage/models",
        "usage/users",
        "usage/conversations",
        "cost",
        "calls",
    ):
        page = await opened(signed_in, f"/admin/{tab}?days=7&clientId=nobody")
        await expect(page.get_by_role("heading", name="No calls in this view")).to_be_visible()
        figures = (await shown(page)).figures
        assert figures.get("requests") in {"0", None}, tab
    await page.get_by_role("link", name="Remove the filters").click()
    await expect(page.get_by_role("heading", name="No calls in this view")).to_have_count(0)

    # tabs that have something to say without calls
    for tab in ("reliability/latency", "reliability/system", "reliability/data-quality"):
        page = await opened(signed_in, f"/admin/{tab}?days=7&clientId=nobody")
        await expect(page.get_by_role("alert").locator("visible=true")).to_have_count(0)


async def test_one_day_of_data_is_a_chart_of_one_day_marked_as_partial(signed_in: Page, server: Served) -> None:
    server.track(clientId="newborn")
    today = datetime.now(UTC).date()
    for tab in ("usage", "cost", "usage/conversations"):
        page = await opened(signed_in, f"/admin/{tab}?from={today}&to={today}&clientId=newborn")
        await until_figure(page, "cost", CALL_COST)
        await expect(page.locator("#meta")).to_contain_text("1 day in UTC · today is partial")
        assert await page.locator(".chart p").count() == 0, "a chart could not be drawn"
        if tab == "cost":
            (row,) = (await shown(page, tables=True)).tables["cost"]
            assert (row[0], row[1]["requests"]) == (today.isoformat(), "1")
    # usage has the hours of a single day
    await page.goto(f"/admin/usage?from={today}&to={today}&clientId=newborn")
    await settled(page)
    hours = (await shown(page, tables=True)).tables["requests"]
    assert sum(int(cells["requests"] or 0) for _, cells in hours) == 1
    assert len(hours) in range(1, 26)


async def test_five_hundred_models_are_ten_and_an_exact_rest(signed_in: Page, server: Served) -> None:
    page = signed_in
    answer = server.get("/api/admin/ai/models", clientId="acme")
    (row,) = answer["models"]
    costs = [LEAST * (3**number % 1_000_003) + number for number in range(500, 0, -1)]
    models = [{**row, "model": f"{LONG[:40]}-{number}", "cost": cost} for number, cost in enumerate(costs)]

    async def many(route: Route) -> None:
        await route.fulfill(content_type="application/json", body=encode({**answer, "models": models}))

    await page.route(MODELS, many)
    await opened(page, "/admin/usage/models?clientId=acme")
    await until_figure(page, "cost", sum(costs).normalize())
    tables = (await shown(page, tables=True)).tables
    for panel in ("models", "list"):
        assert [key for key, _ in tables[panel]] == [*(f"openai {each['model']}" for each in models[:10]), "other"]
        assert tables[panel][-1][1]["cost"] == str(sum(costs[10:]).normalize())
    await page.locator('[data-panel="list"]').get_by_role("button", name="Show all 500").click()
    rows = (await shown(page)).tables["list"]
    assert [exact(cells["cost"]) for _, cells in rows] == costs
    await page.set_viewport_size(NARROW)
    assert await sticking_out(page) == []


async def test_markup_and_the_longest_names_are_text_wherever_they_stand(signed_in: Page, server: Served) -> None:
    for address in (
        "/admin/usage?clientId=odd&series=model&compare=1",
        "/admin/usage/models?clientId=odd",
        "/admin/usage/users?clientId=odd",
        "/admin/usage/conversations?clientId=odd",
        "/admin/calls?clientId=odd",
    ):
        page = await opened(signed_in, address)
        assert MARKUP in await page.locator("#main").inner_text(), address
        assert await page.locator("#main img, #main b").count() == 0
        await page.set_viewport_size(NARROW)
        assert await sticking_out(page) == [], address
        await page.set_viewport_size(WIDE)

    (broken,) = server.get("/api/admin/ai/calls", clientId="odd", status="error")["calls"]
    await opened(page, f"/admin/calls?clientId=odd&call={broken['id']}")
    await expect(page.get_by_role("dialog")).to_contain_text(MARKUP)
    # the tooltip of a chart, and a filter by such a name
    await opened(page, f"/admin/usage/models?clientId=odd&model={LONG}")
    await expect(page.locator('[data-filter="model"]')).to_contain_text(LONG)
    await page.locator('[data-panel="models"]').get_by_role("button", name="Requests").click()
    await settled(page)
    await page.locator('[data-panel="models"] .chart .mark-rect path').first.hover()
    await expect(page.locator("#tooltip")).to_contain_text(LONG)
    assert await page.title() != "run"


WHY = "calls that MongoDB will not accept are set aside, one by one"
WHAT_TO_DO = "python -m scripts.spool says which and why, and tries them again or drops them"


async def test_what_is_wrong_in_the_process_is_said_with_what_to_do(signed_in: Page) -> None:
    page = signed_in
    await page.goto("/admin/reliability/system")
    await expect(page.get_by_text("Nothing is wrong.")).to_be_visible()

    async def in_trouble(route: Route) -> None:
        answer = await (await route.fetch()).json()
        since = "2026-11-30T10:00:00Z"
        trouble = {"code": "refused", "reason": WHY, "count": 2_000, "since": since, "advice": WHAT_TO_DO}
        await route.fulfill(json=answer | {"status": "degraded", "troubles": [trouble]})

    await page.route("**/api/admin/ai/technical*", in_trouble)
    await page.reload()
    row = page.get_by_role("table", name="Troubles").get_by_role("row").nth(1)
    for said in ("Refused", WHY, "2,000", WHAT_TO_DO):
        await expect(row).to_contain_text(said)
    for sentence in (WHY, WHAT_TO_DO):  # whole: nothing is cut off
        assert await row.get_by_text(sentence).evaluate(
            "cell => cell.scrollWidth <= cell.clientWidth || !cell.clientWidth"
        )
