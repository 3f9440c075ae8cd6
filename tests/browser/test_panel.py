"""A user's usage on its own page and on pages of other origins: what it says, to whom, and how soon."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from app.http.serialization import encode
from models.money import plain
from tests.browser.conftest import Axe, OpenPage
from tests.browser.deployment import CALL_COST, MARKUP, Served
from tests.browser.other_origin import other_origin
from tests.browser.reading import sticking_out
from tests.browser.watch import Watch
from tests.patience import patience, until

SOON_S = 2.0
TRIES = 3
"""The machine may be busy with other tests: one of so many calls has to show in time."""
EMBED = """([server, token, attributes]) => new Promise((resolve) => {
  const panel = document.createElement("twinmeter-usage");
  for (const [name, value] of Object.entries({token, ...attributes})) if (value) panel.setAttribute(name, value);
  window.told = [];
  const kinds = ["twinmeter-usage", "twinmeter-token-expiring"];
  for (const kind of kinds) panel.addEventListener(kind, ({type, detail}) => window.told.push([type, detail]));
  document.body.append(panel);
  const script = document.createElement("script");
  script.src = `${server}/embed/twinmeter-usage.js`;
  script.onload = script.onerror = () => resolve();
  document.body.append(script);
})"""
FRAME = """(address) => new Promise((resolve) => {
  const frame = document.createElement("iframe");
  frame.src = address;
  frame.onload = () => resolve();
  document.body.append(frame);
})"""


@pytest.fixture
async def stranger(browser: Browser) -> AsyncIterator[Page]:
    """A page that watches nothing: of another application."""
    context = await browser.new_context(timezone_id="Asia/Kolkata", locale="en-GB")
    yield await context.new_page()
    await context.close()


async def embedded(page: Page, origin: str, server: Served, token: str, **attributes: str) -> None:
    await page.goto(origin)
    await page.evaluate(EMBED, [server.address, token, attributes])


async def test_a_page_of_a_named_origin_shows_a_call_within_two_seconds(
    stranger: Page, server: Served, blog: str
) -> None:
    server.track(clientId="panel", userId="live")
    scope = {"userId": "live", "clientId": "panel"}
    limit_id = server.limit(scope=scope, unit="usd", window="day", amount=0.03, kind="hard")
    await embedded(stranger, blog, server, server.panel_token("live", "panel"))
    month = stranger.locator('[data-cost="month"]')
    await expect(month).to_have_text("$0.0075")

    took = []
    for number in range(2, TRIES + 2):
        assert server.track(clientId="panel", userId="live")["status"] == "committed"
        committed = monotonic()
        await expect(month).to_have_text(f"${plain(number * CALL_COST).ljust(4, '0')}")
        took.append(monotonic() - committed)
        place = stranger.locator(f'[data-limit="{limit_id}"]')
        await expect(place.get_by_role("progressbar")).to_have_attribute("aria-valuenow", str(25 * number))
        await expect(place).to_contain_text(f"{25 * number}% used")
    assert min(took) < patience(SOON_S), took
    await expect(place).to_contain_text("further calls are refused")
    said = server.get("/api/me/usage", userId="live", clientId="panel")
    assert said["limits"][0]["used"] == said["cost"]["month"] == 4 * CALL_COST
    told = (await stranger.evaluate("window.told"))[-1]
    assert told[1]["cost"]["month"] == str(said["cost"]["month"])
    assert [call["id"] for call in told[1]["recent"]] == [call["id"] for call in said["recent"]]


async def test_a_page_of_another_origin_shows_nothing(stranger: Page, server: Served) -> None:
    server.track(clientId="panel", userId="hidden")
    token = server.panel_token("hidden", "panel")
    with other_origin() as origin:
        await embedded(stranger, origin, server, token)
        await expect(stranger.get_by_role("status")).to_have_text(
            "The server does not answer. It is asked again by itself."
        )
        assert await stranger.locator("[data-cost]").count() == 0
        await stranger.evaluate(FRAME, f"{server.address}/usage#token={token}")
        assert [frame.url for frame in stranger.frames[1:]] == ["chrome-error://chromewebdata/"]


async def test_a_frame_on_a_page_of_a_named_origin_shows_it_and_is_given_new_tokens(
    stranger: Page, server: Served, blog: str
) -> None:
    for user in ("first", "second"):
        server.track(clientId="panel", userId=user)
    server.track(clientId="panel", userId="second")
    await stranger.goto(blog)
    await stranger.evaluate(FRAME, f"{server.address}/usage?theme=dark#token={server.panel_token('first', 'panel')}")
    month = stranger.frame_locator("iframe").locator('[data-cost="month"]')
    await expect(month).to_have_text("$0.0075")
    # nothing keeps the token
    assert stranger.frames[1].url == f"{server.address}/usage?theme=dark"

    message = {"type": "twinmeter-token", "token": server.panel_token("second", "panel")}
    await stranger.evaluate("([message, to]) => window.frames[0].postMessage(message, to)", [message, server.address])
    await expect(month).to_have_text("$0.015")


async def test_who_has_signed_in_sees_its_own_and_others_are_asked_to(
    open_page: OpenPage, server: Served, watch: Watch
) -> None:
    watch.expect(r"status of 401 .*/api/me/usage")
    page = await open_page()
    await page.goto("/usage")
    await expect(page.get_by_role("status")).to_have_text("Sign in to see your usage.")

    server.track(clientId="panel", userId="person")
    page = await open_page(storage_state=server.session(server.token_of("person", "panel")))
    await page.goto("/usage")
    await expect(page.locator('[data-cost="lifetime"]')).to_have_text("$0.0075")


NOW = datetime(2026, 11, 30, 14, 3, 22, tzinfo=UTC)
ANY = {"serviceType": None, "model": None, "feature": None}


def limit(**more: Any) -> dict[str, Any]:
    """A limit as the server tells it: of 10 requests a day, none of which is used."""
    usual: dict[str, Any] = {
        "id": "l1",
        "name": None,
        "unit": "requests",
        "window": "day",
        "filter": ANY,
        "kind": "hard",
    }
    usual |= {"scope": "user", "reached": False, "resetsAt": "2026-12-01T00:00:00.000Z", "limit": 10, "amount": 10}
    usual |= {"grants": 0, "used": 0, "held": 0, "remaining": 10, "percent": 0, "overrun": 0, "overageCap": None}
    return {**usual, "periodStart": "2026-11-30T00:00:00.000Z", **more}


def usage(*limits: dict[str, Any], **more: Any) -> dict[str, Any]:
    call: dict[str, Any] = {"id": "c1", "createdAt": "2026-11-30T14:00:00.000Z", "feature": "chat", "model": "gpt-4o"}
    call |= {"status": "success", "cached": False, "tokensUsed": 1_500, "cost": 0.0075}
    cost = {"month": 12.5, "lifetime": 1_234_567.5, "currency": "USD"}
    usual: dict[str, Any] = {
        "asOf": "2026-11-30T14:03:22.123Z",
        "user": "ann",
        "client": "acme",
        "plan": None,
        "shared": [],
    }
    usual |= {"limits": list(limits), "cost": cost, "recent": [call], "nextReset": None}
    return {**usual, **more}


SHARED = {name: limit()[name] for name in ("id", "window", "filter", "kind", "reached", "resetsAt", "name")}
EVERYTHING = usage(
    limit(id="some", used=7, held=1, remaining=2, percent=70, name="Chat messages"),
    limit(id="little", unit="tokens", window="month", limit=1_000_000, used=1, remaining=999_999, percent=0),
    limit(id="over", used=11, remaining=0, percent=110, overrun=1, reached=True),
    limit(id="soft", kind="soft", unit="usd", window="period", limit=5, used=4.25, remaining=0.75, percent=85),
    limit(id="nothing", limit=0, remaining=0, percent=None, reached=True, filter={**ANY, "model": "o3-pro"}),
    limit(id="granted", unit="images", window="lifetime", resetsAt=None, limit=15, grants=5, remaining=15),
    limit(id="now", unit="concurrent", window="lifetime", resetsAt=None, limit=4, held=3, remaining=1, percent=75),
    plan={"name": "Pro", "version": 3, "interval": "month", "limited": True, "upgradeUrl": "https://acme.example/up"},
    shared=[{**SHARED, "id": "all", "scope": "client", "unit": "usd", "window": "month", "percent": 92}],
)


async def shown(page: Page, answer: dict[str, Any], path: str = "/usage") -> None:
    """The page of a user, for whom the server has this answer."""

    async def answered(route: Route) -> None:
        await route.fulfill(json=answer, headers={"ETag": '"1"'})

    await page.clock.install(time=NOW)
    await page.route("**/api/me/usage", answered)
    await page.goto(path)
    await expect(page.locator("twinmeter-usage h2")).to_have_text("Usage")
    await expect(page.get_by_role("status")).to_be_hidden()


async def test_each_limit_is_said_in_words_and_its_bar_ends_at_a_hundred(open_page: OpenPage) -> None:
    page = await open_page(timezone_id="Asia/Kolkata", locale="en-GB")
    await shown(page, EVERYTHING)
    reset = "Resets in 10 hours, Tue 1 Dec, 05:30 GMT+5:30"
    said: dict[str, list[str]] = {
        "some": ["Chat messages", "7 of 10", "70% used, 2 left, 1 held by calls under way.", reset],
        "little": ["Tokens this month", "1 of 1,000,000", "Less than 0.01% used, 999,999 left.", reset],
        "over": ["Requests today", "11 of 10", "110% used, 1 over the limit."],
        "soft": ["Spend this period", "$4.25 of $5.00", "85% used, $0.75 left.", "Beyond it calls still pass.", reset],
        "nothing": ["Requests today, o3-pro", "0 of 0", "Nothing may be used."],
        "granted": ["Images in total", "0 of 15", "0% used, 15 left, 5 of it granted on top."],
        "now": ["Calls at a time", "3 of 4", "75% used, 1 left."],
        "all": ["Spend this month", "92% used by all together.", reset],
    }
    said["over"] += ["The limit is reached: further calls are refused.", reset]
    said["nothing"] += ["The limit is reached: further calls are refused."]  # and a reset changes nothing
    for name, lines in said.items():
        place = page.locator(f'[data-limit="{name}"]')
        found = [text for text in (await place.locator("h4, span, p").all_text_contents()) if text]
        assert found == lines, name
        bar = place.get_by_role("progressbar")
        if name == "nothing":  # of which there is no part
            await expect(bar).to_have_count(0)
            continue
        percent = {"some": 70, "over": 100, "soft": 85, "now": 75, "all": 92}.get(name, 0)
        await expect(bar).to_have_attribute("aria-valuenow", str(percent))
        await expect(bar).to_have_attribute("aria-valuetext", next(line for line in lines[1:] if "used" in line))
        await expect(bar).to_have_accessible_name(lines[0])
        whole, fill = await bar.bounding_box(), await place.locator(".fill").bounding_box()
        assert whole is not None
        assert fill is not None
        drawn = fill["width"] / whole["width"]
        assert drawn == pytest.approx(percent / 100, abs=0.01), name
        assert (fill["width"] >= 4) == (name != "granted"), name  # a little is seen, too
    await expect(page.locator('[data-cost="lifetime"]')).to_have_text("$1,234,567.50")
    await expect(page.get_by_role("link", name="Upgrade")).to_have_attribute("href", "https://acme.example/up")
    await expect(page.locator("twinmeter-usage .foot")).to_have_text("As of 19:33:22live")


async def test_no_limit_no_bar_and_empty_places_say_so(open_page: OpenPage) -> None:
    page = await open_page()
    demo = {
        "name": "Demo (no limits)",
        "version": 1,
        "interval": "month",
        "limited": False,
        "upgradeUrl": "javascript:alert(1)",
    }
    await shown(page, usage(plan=demo, recent=[], cost=None))

    await expect(page.locator("twinmeter-usage")).to_contain_text("Plan: Demo (no limits)")
    await expect(page.get_by_text("Nothing is limited.")).to_be_visible()
    await page.get_by_text("Latest calls").click()
    await expect(page.get_by_text("No calls yet.")).to_be_visible()
    for absent in ("progressbar", "link"):
        assert await page.get_by_role(absent).count() == 0
    assert await page.locator("[data-cost]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_a_narrow_page_and_everyone_can_use_it(open_page: OpenPage, axe: Axe, scheme: str) -> None:
    page = await open_page(viewport={"width": 320, "height": 900}, color_scheme=scheme)
    long = limit(id="long", name="w" * 256, unit="usd", used=1, remaining=0, percent=100, reached=True)
    await shown(page, usage(long, *EVERYTHING["limits"], **{name: EVERYTHING[name] for name in ("plan", "shared")}))
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Upgrade")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-call]")).to_be_visible()

    assert await sticking_out(page) == []
    assert await axe(page) == []
    # and the page that is asked again and again leaves the focus where it is
    await page.clock.run_for(5_000)
    assert (
        await page.evaluate("document.querySelector('twinmeter-usage').shadowRoot.activeElement.tagName") == "SUMMARY"
    )


async def test_markup_in_names_is_text(open_page: OpenPage) -> None:
    page = await open_page()
    call = {**usage()["recent"][0], "feature": MARKUP, "model": MARKUP}
    plan = {"name": MARKUP, "version": 1, "interval": "month", "limited": True, "upgradeUrl": None}
    limits = [limit(name=MARKUP), limit(id="2", filter={**ANY, "model": MARKUP})]
    await shown(page, usage(*limits, plan=plan, recent=[call]))
    await page.get_by_text("Latest calls").click()

    await expect(page.locator("twinmeter-usage h4").first).to_have_text(MARKUP)
    await expect(page.locator('[part="plan"]')).to_have_text(f"Plan: {MARKUP}")
    await expect(page.locator("[data-call]")).to_contain_text(f"{MARKUP} · {MARKUP}")
    assert await page.locator("twinmeter-usage img, twinmeter-usage b").count() == 0
    assert await page.title() == "Usage · twinmeter"


async def test_every_digit_is_shown_and_words_and_language_are_the_applications(open_page: OpenPage) -> None:
    page = await open_page(locale="de-DE", timezone_id="Europe/Berlin")
    cost = {"month": "EXACT", "lifetime": 0.1, "currency": "USD"}
    text = encode(usage(limit(used=1, remaining=9, percent=10), cost=cost))
    text = text.replace(b'"EXACT"', b"12345678901234567.123456789012345")

    async def answered(route: Route) -> None:
        await route.fulfill(body=text, content_type="application/json")

    await page.route("**/api/me/usage", answered)
    await page.goto("/usage")
    await expect(page.locator('[data-cost="month"]')).to_have_text("12.345.678.901.234.567,123456789012345\u00a0$")
    await page.evaluate("""() => {
      const panel = document.querySelector("twinmeter-usage");
      panel.strings = {"unit.requests": "Anfragen", "window.day": "heute", used: "{percent} % verbraucht"};
    }""")
    await expect(page.locator("[data-limit] h4")).to_have_text("Anfragen heute")
    await expect(page.locator('[part="use"]')).to_have_text("10 % verbraucht, 9 left.")
    await page.evaluate("document.querySelector('twinmeter-usage').setAttribute('locale', 'en-US')")
    await expect(page.locator('[data-cost="month"]')).to_have_text("$12,345,678,901,234,567.123456789012345")


async def test_a_token_is_renewed_before_it_ends(stranger: Page, server: Served, blog: str) -> None:
    server.track(clientId="panel", userId="renewed")
    tokens = [server.panel_token("renewed", "panel", minutes=minutes) for minutes in (2, 60)]
    used: list[str] = []
    stranger.on("request", lambda each: used.append(each.headers.get("authorization", "")[7:]))
    await stranger.clock.install()
    await stranger.goto(blog)
    await stranger.evaluate("tokens => { window.getToken = async () => tokens.shift() ?? null; }", list(tokens))
    await stranger.evaluate(EMBED, [server.address, None, {}])
    await stranger.evaluate("() => { document.querySelector('twinmeter-usage').getToken = window.getToken; }")
    await expect(stranger.locator('[data-cost="month"]')).to_have_text("$0.0075")
    assert set(used) - {""} == {tokens[0]}

    await stranger.clock.fast_forward(70_000)
    await until(lambda: used[-1] == tokens[1])


async def test_an_application_without_another_token_is_told_before_it_ends(
    stranger: Page, server: Served, blog: str
) -> None:
    server.track(clientId="panel", userId="ending")
    await stranger.clock.install()
    await embedded(stranger, blog, server, server.panel_token("ending", "panel", minutes=2))
    await expect(stranger.locator('[data-cost="month"]')).to_have_text("$0.0075")
    await stranger.clock.fast_forward(60_000)
    await stranger.clock.run_for(10_000)  # it is told once, however often it is looked at

    async def told() -> bool:
        kinds: list[str] = await stranger.evaluate("window.told.map(([kind]) => kind)")
        return kinds.count("twinmeter-token-expiring") == 1

    await until(told)
