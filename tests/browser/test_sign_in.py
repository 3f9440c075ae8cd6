"""Signing in by the form, sessions that end, and signing out."""

from urllib.parse import urlsplit

from playwright.async_api import Page, expect

from app.auth.sessions import COOKIE
from tests.browser.deployment import REAL_CALLS, REAL_COST, Served
from tests.browser.reading import settled, shown, until_figure
from tests.browser.watch import Watch

ADDRESS = "/admin/usage?days=7&clientId=acme"


async def sign_in(page: Page, credential: str) -> None:
    """Paste a token or a key into the form."""
    await page.get_by_label("Token or API key").fill(credential)
    await page.get_by_role("button", name="Sign in", exact=True).click()


def where(page: Page) -> str:
    parts = urlsplit(page.url)
    return f"{parts.path}?{parts.query}"


async def test_a_shared_link_asks_who_looks_and_then_shows_what_it_is_about(
    page: Page, server: Served, watch: Watch
) -> None:
    watch.expect("status of 401")
    await page.goto(ADDRESS)
    await expect(page.locator("#sign-in")).to_be_visible()
    assert await page.locator("#view").inner_html() == ""
    assert await page.title() == "Sign in · twinmeter"
    await expect(page.get_by_role("navigation")).to_be_hidden()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    await expect(page.locator("#sign-in-help")).to_contain_text("for up to 12 hours")
    await expect(page.locator("#sign-in-help code")).to_contain_text("python")
    await page.get_by_label("Token or API key").fill("secret")
    await page.get_by_role("button", name="Show").press("Enter")
    await expect(page.locator("#token")).to_have_attribute("type", "text")
    await page.get_by_role("button", name="Show").press("Enter")
    await expect(page.locator("#token")).to_have_attribute("type", "password")

    await sign_in(page, "tm_wrong")
    await expect(page.get_by_role("alert")).to_contain_text("That token or key was not accepted")
    await expect(page.get_by_label("Token or API key")).to_be_focused()
    assert await page.context.cookies() == []

    _, reporter = server.new_key(scopes=["ingest"])
    await sign_in(page, reporter)
    await expect(page.locator("#sign-in-why")).to_contain_text("is not an administrator")
    assert await page.locator("#view").inner_html() == ""

    await sign_in(page, server.token)
    await until_figure(page, "requests", REAL_CALLS)
    await until_figure(page, "cost", REAL_COST.normalize())
    await expect(page.locator("#sign-in")).to_be_hidden()
    await expect(page.locator("#subject")).to_have_text("root")
    assert (where(page), await page.locator("#token").input_value()) == (ADDRESS, "")

    # no script sees the session, and another page of this browser opens with it
    (cookie,) = await page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (COOKIE, True, "Strict")
    assert await page.evaluate("document.cookie") == ""
    other = await page.context.new_page()
    await other.goto("/admin/cost?clientId=acme")
    await until_figure(other, "cost", REAL_COST.normalize())
    await other.close()

    await page.get_by_role("button", name="Sign out").click()
    await expect(page.locator("#sign-in-why")).to_have_text("You are signed out on this browser.")
    assert (await page.locator("#view").inner_html(), await page.context.cookies()) == ("", [])
    await page.reload()
    await expect(page.locator("#sign-in")).to_be_visible()


async def test_a_key_that_is_revoked_ends_the_session_and_the_address_stays(
    page: Page, server: Served, watch: Watch
) -> None:
    watch.expect("status of 401")
    key_id, key = server.new_key()
    await page.goto("/admin/usage")
    await sign_in(page, key)
    await settled(page)
    await expect(page.locator("#subject")).to_contain_text("acme")

    server.revoke(key_id)
    await page.get_by_role("button", name="Last 30 days").click()
    await page.get_by_role("link", name="Last 7 days").click()

    await expect(page.locator("#sign-in-why")).to_contain_text("The session has ended")
    assert await page.locator("#view").inner_html() == ""
    assert (where(page), await page.context.cookies()) == ("/admin/usage?days=7", [])

    await sign_in(page, server.token)
    await settled(page)
    whole = server.get("/api/admin/ai/usage", days=7)["totals"]["requests"]
    assert (await shown(page)).figures["requests"] == str(whole)
    assert where(page) == "/admin/usage?days=7"
