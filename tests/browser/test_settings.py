"""What an administrator does on the pages of settings, by keyboard, and what is kept of what was typed."""

import re

from playwright.async_api import Page, expect

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
    await page.context.clear_cookies()
    await page.get_by_role("button", name="Make key").click()
    await expect(page.locator("#sign-in-why")).to_contain_text("The session has ended")

    await sign_in(page, server.token)

    # it is sent again by itself
    await expect(page.get_by_role("heading", name="Key after-the-session")).to_be_visible()
    keys = [key for key in server.get("/api/admin/keys") if key["name"] == "after-the-session"]
    assert len(keys) == 1
