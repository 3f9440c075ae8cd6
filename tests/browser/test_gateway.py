"""The page of the gateway: what becomes of calls, how upstreams fare, who may call, and how one begins."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import Axe, OpenPage
from tests.browser.deployment import Served
from tests.browser.reading import opened, shown, sticking_out, until_figure
from tests.patience import patience

FIGURES, UPSTREAMS = "/api/admin/gateway/figures", "/api/admin/gateway/upstreams"
LIVE_MS = patience(2) * 1_000
OFF = {
    FIGURES: {"on": False, "whole": None, "saved": None},
    UPSTREAMS: {"on": False, "upstreams": [], "names": [], "fault": None, "process": 1},
}
Chat = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def chat(server: Served) -> Chat:
    """Calls a model through the gateway, as the client `proxied`."""
    _, key = server.gateway_key("proxied", models=["gpt-*", "twice", "on-the-moon"], limits=[])

    def call(model: str, **headers: str) -> httpx.Response:
        asked = [{"role": "user", "content": "one two three"}]
        body = {"model": model, "messages": asked, "temperature": 0}
        return httpx.post(
            f"{server.address}/v1/chat/completions",
            json=body,
            headers={"authorization": f"Bearer {key}", **headers},
            timeout=patience(30),
        )

    return call


async def test_calls_show_within_two_seconds_and_what_the_cache_saved_to_the_digit(
    signed_in: Page, server: Served, chat: Chat
) -> None:
    before = server.get(FIGURES)
    page = await opened(signed_in, "/admin/settings/gateway")
    refused = sum(before["whole"]["refusals"].values())
    assert chat("gpt-4o").status_code == 200
    assert chat("only-here").status_code == 403

    first = chat("gpt-4o", **{"x-twinmeter-cache": "on"})
    again = chat("gpt-4o", **{"x-twinmeter-cache": "on"})

    assert [each.headers["x-twinmeter-cache"] for each in (first, again)] == ["miss", "hit"]
    saved = (
        before["saved"]["savedCost"] + server.get("/api/admin/ai/calls", clientId="proxied")["calls"][0]["savedCost"]
    )
    assert saved > before["saved"]["savedCost"]
    await until_figure(page, "saved", saved, timeout=LIVE_MS)
    await until_figure(page, "hits", before["whole"]["hits"] + 1, timeout=LIVE_MS)
    await until_figure(page, "refused", refused + 1)
    await until_figure(page, "requests", sum(before["whole"]["calls"].values()) + 3)
    found = await shown(page)
    assert float(found.figures["added.p50"] or 0) > 0
    assert dict(found.tables["endings"])["cached"]["count"] == str(before["whole"]["calls"].get("cached", 0) + 1)
    assert "model_not_allowed" in dict(found.tables["refusals"])


async def test_an_upstream_that_cannot_be_reached_is_open_with_its_last_error(signed_in: Page, chat: Chat) -> None:
    page = await opened(signed_in, "/admin/settings/gateway")
    for _ in range(5):
        assert chat("on-the-moon").status_code == 502

    row = page.locator('[data-panel="upstreams"] tr[data-row="gone"]')

    await expect(row.locator('[data-figure="requests"]')).to_have_attribute("data-value", "5", timeout=LIVE_MS)
    await expect(row).to_contain_text("Unreachable")
    await expect(row.locator('[data-figure="health"]')).to_have_attribute("data-value", re.compile("open|probing"))


async def test_an_upstream_leads_to_its_calls_and_a_call_tells_whom_it_asked(signed_in: Page, chat: Chat) -> None:
    answered = chat("twice")
    assert answered.status_code == 200

    page = await opened(signed_in, "/admin/settings/gateway")
    await page.get_by_role("link", name="spare").press("Enter")
    await expect(page.locator(".of-tab .chip")).to_contain_text("Upstream: spare")
    await page.locator(f'tr[data-row="{answered.headers["x-twinmeter-request-id"]}"] a').press("Enter")

    dialog = page.get_by_role("dialog")
    await expect(dialog.locator("dt", has_text="Upstream").locator("+ dd")).to_have_text("spare")
    await expect(dialog.locator("dt", has_text="Key").locator("+ dd")).to_have_text(re.compile(r"^[\w-]{12}$"))
    await expect(dialog.locator("dt", has_text="Attempt 1").locator("+ dd")).to_contain_text("openai")
    await expect(dialog.locator("dt", has_text="Attempt 1").locator("+ dd")).to_contain_text("503")
    await expect(dialog.locator("dt", has_text="Attempt 2").locator("+ dd")).to_contain_text("spare")


async def test_keys_are_shown_with_models_and_limits_until_they_are_revoked(signed_in: Page, server: Served) -> None:
    id_, _ = server.gateway_key("shop", models=["gpt-4o*"], cache=True, cacheSeconds=60)
    page = await opened(signed_in, "/admin/settings/gateway?clientId=shop")
    row = page.locator(f'[data-panel="keys"] tr[data-row="{id_}"]')
    for text in (id_, "gpt-4o*", "$10.00 per month, hard", "Drain", "1 min"):
        await expect(row).to_contain_text(text)
    await expect(page.locator('[data-panel="keys"] tr[data-row]')).to_have_count(1)

    server.revoke(id_)

    await page.reload()
    await expect(page.locator('[data-panel="keys"]')).to_contain_text("There is none yet")


async def test_where_there_is_no_gateway_the_page_says_how_to_begin(signed_in: Page, axe: Axe) -> None:
    async def off(route: Route) -> None:
        answer: Any = next(body for path, body in OFF.items() if path in route.request.url)
        await route.fulfill(content_type="application/json", body=json.dumps(answer))

    await signed_in.route("**/api/admin/gateway/**", off)
    await signed_in.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await signed_in.set_viewport_size({"width": 320, "height": 640})

    page = await opened(signed_in, "/admin/settings/gateway")

    await expect(page.get_by_role("heading", name="This server is no gateway yet")).to_be_visible()
    assert await sticking_out(page) == []
    assert await axe(page) == []
    await page.get_by_role("button", name="Copy the commands").press("Enter")
    await expect(page.get_by_role("button", name="Copied the commands")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert "TWINMETER_GATEWAY_FILE=gateway.toml" in copied
    await expect(page.locator("[data-panel]")).to_have_count(0)


async def test_an_administrator_of_one_client_sees_its_own_keys_and_nothing_of_the_deployment(
    open_page: OpenPage, server: Served
) -> None:
    server.gateway_key("tenant")
    _, key = server.new_key("tenant")
    page = await open_page(storage_state=server.session(key))

    await opened(page, "/admin/settings/gateway")

    found = await shown(page)
    assert found.figures == {"saved": "0"}
    assert [cells["name"] for _, cells in found.tables["keys"]] == ["tenant"]
    assert {cells["requests"] for _, cells in found.tables["upstreams"]} == {None}
    await expect(page.locator("#view")).not_to_contain_text("gateway.toml")
