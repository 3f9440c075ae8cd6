"""What an administrator does on the pages of settings, by keyboard, and what is kept of what was typed."""

import re

from playwright.async_api import Page, Route, expect

from tests.browser.conftest import Axe, OpenPage
from tests.browser.deployment import Served
from tests.browser.reading import opened
from tests.browser.test_sign_in import sign_in
from tests.browser.watch import Watch


async def test_a_key_is_made_by_keyboard_shown_once_and_revoked(signed_in: Page, axe: Axe) -> None:
    page = await opened(signed_in, "/admin/settings/keys")
    await page.get_by_label("Name", exact=True).focus()
    await page.keyboard.type("keyboard-made")
    await page.keyboard.press("Tab")
    await page.keyboard.type("acme")
    await page.keyboard.press("Tab")  # report calls, which is ticked
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await page.keyboard.press("Enter")

    made = page.get_by_role("region", name="Key keyboard-made")
    await expect(made.get_by_role("heading", name="Key keyboard-made")).to_be_focused()
    text = await made.get_by_role("region", name="Text: the key").inner_text()
    assert re.fullmatch(r"tm_\S{56}", text.strip()), text
    assert f"TWINMETER_KEY={text.strip()}" in await made.inner_text()
    row = page.locator("[data-panel=keys]").get_by_role("row", name="keyboard-made")
    await expect(row).to_contain_text("ingest, read")
    await expect(row).to_contain_text("acme")
    assert await axe(page) == []

    await page.reload()
    await expect(row).to_be_visible()
    await expect(page.get_by_text(text.strip())).to_have_count(0)
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Revoke: keyboard-made").press("Enter")
    await expect(row).to_contain_text("Revoked")


async def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_lost(signed_in: Page, watch: Watch) -> None:
    watch.expect("status of 400")
    page = await opened(signed_in, "/admin/settings/keys")
    models = page.get_by_label("Models of the gateway")
    await models.fill("gpt-4o*")
    await page.get_by_role("button", name="Make key").press("Enter")

    name = page.get_by_label("Name", exact=True)
    await expect(name).to_have_attribute("aria-invalid", "true")
    await expect(name).to_be_focused()
    await expect(page.locator("[data-key=key] .form-fault")).to_contain_text("Nothing was changed")
    await page.get_by_role("link", name="Settings", exact=True).first.click()
    await expect(page.get_by_role("heading", name="Settings", level=1)).to_be_visible()
    await page.go_back()
    await expect(models).to_have_value("gpt-4o*")
    await models.fill("")


async def test_a_session_that_ends_in_a_form_loses_nothing(open_page: OpenPage, server: Served, watch: Watch) -> None:
    watch.expect("status of 401")
    page = await open_page()
    await page.goto("/admin/settings/keys")
    await sign_in(page, server.token)
    await page.get_by_label("Name", exact=True).fill("after-the-session")

    over = list[bool]()

    async def ended(route: Route) -> None:
        """The session ends while the form is sent, before any refresh notices it."""
        over.extend([True] * (route.request.method == "POST"))
        if over:
            await route.fulfill(status=401, json={"title": "Not authenticated", "detail": "the session has ended"})
        else:
            await route.continue_()

    await page.route("**/api/admin/keys", ended)
    await page.get_by_role("button", name="Make key").click()
    await expect(page.locator("#sign-in-why")).to_contain_text("The session has ended")
    await page.context.clear_cookies()
    await page.unroute_all(behavior="wait")

    await sign_in(page, server.token)

    # it is sent again by itself
    await expect(page.get_by_role("heading", name="Key after-the-session")).to_be_visible()
    keys = [key for key in server.get("/api/admin/keys") if key["name"] == "after-the-session"]
    assert len(keys) == 1


async def test_a_price_is_set_by_keyboard_and_stored_calls_follow(signed_in: Page, server: Served, axe: Axe) -> None:
    for _ in range(2):
        server.track(
            model="on-the-house", provider="house", clientId="repricing", inputTokens=1_000_000, outputTokens=0
        )
    page = await opened(signed_in, "/admin/settings/prices?model=on-the-house&clientId=repricing&data=real")
    await expect(page.get_by_label("Model", exact=True)).to_have_value("on-the-house")
    await page.get_by_label("From, 00:00 UTC").fill("2026-01-01")
    await page.get_by_label("Input, USD", exact=True).fill("1.25")
    await page.keyboard.press("Enter")

    await expect(page.locator("[data-panel=prices]").get_by_role("row", name="on-the-house")).to_contain_text("$1.25")
    await page.get_by_role("button", name="What would change?").press("Enter")
    panel = page.locator("[data-panel=repricing]")
    await expect(panel).to_contain_text("Applies to 2 calls, +$2.50. Reprice now?")
    assert await axe(page) == []
    await page.get_by_role("button", name="Reprice now").press("Enter")
    await expect(panel.locator("[data-run=done]")).to_contain_text("2 of 2 calls, 2 costs changed, +$2.50.")
    assert server.get("/api/admin/ai/usage", clientId="repricing", days=1)["totals"]["cost"] == 2.5

    await opened(page, "/admin/settings/audit?clientId=repricing")
    changes = page.locator("[data-panel=audit] tbody tr")
    await expect(changes).to_have_count(2)
    await expect(changes.nth(0)).to_contain_text("Calls repriced")
    await expect(changes.nth(1)).to_contain_text("Price created")
    await expect(changes.nth(1)).to_contain_text("signed in")
    assert await axe(page) == []
    await page.get_by_label("Kind of change").select_option("Prices")
    await expect(changes).to_have_count(1)


async def test_of_two_administrators_of_one_limit_the_second_is_told(
    signed_in: Page, server: Served, watch: Watch, axe: Axe
) -> None:
    watch.expect("status of 409")
    page = await opened(signed_in, "/admin/settings/limits?clientId=two-of-us")
    await page.get_by_label("Whose calls").select_option("A client")
    await page.get_by_label("Which one").fill("two-of-us")
    await page.get_by_label("Amount", exact=True).fill("5")
    await page.keyboard.press("Enter")
    row = page.locator("[data-panel=limits]").get_by_role("row", name="two-of-us")
    await expect(row).to_contain_text("$5.00")
    assert await axe(page) == []

    await page.get_by_role("button", name="Change: client two-of-us").press("Enter")
    mine = page.locator("[data-panel=change-limit]")
    await expect(mine.get_by_label("Amount")).to_be_focused()
    await mine.get_by_label("Amount").fill("7")
    (limit,) = server.get("/api/admin/limits", clientId="two-of-us")["limits"]
    server.change_limit(limit["id"], amount=6)
    await mine.get_by_role("button", name="Change limit").press("Enter")

    await expect(mine.get_by_role("alert")).to_contain_text("changed meanwhile by root")
    await expect(mine.get_by_role("alert")).to_contain_text("It is now: $6.00, refuse calls")
    await expect(mine.get_by_label("Amount")).to_have_value("7")
    await mine.get_by_role("button", name="Change limit").press("Enter")
    await expect(row).to_contain_text("$7.00")
    await expect(mine).to_have_count(0)
