"""What a page of another origin can do with the API, in a real browser: all that its token may, or nothing."""

from typing import Any

from playwright.async_api import Browser, StorageState

from tests.browser.deployment import CALL, Served
from tests.browser.other_origin import other_origin

ASK = """async ([address, method, token, body, credentials]) => {
  const headers = {...(token && {Authorization: `Bearer ${token}`}), ...(body && {"Content-Type": "application/json"})};
  try {
    const answer = await fetch(address, {method, headers, body: body && JSON.stringify(body), credentials});
    const id = answer.headers.get("x-request-id");
    return {status: answer.status, id, body: method === "HEAD" ? null : await answer.json()};
  } catch (error) {
    return error.name;
  }
}"""
BLOCKED = "TypeError"
"""All that a page learns of an answer that is not for it."""


class Page:
    """A page of an origin, and what it asks of the server."""

    def __init__(self, page: Any, server: Served) -> None:
        self._page = page
        self._server = server

    async def ask(
        self, path: str, token: str | None, body: object = None, method: str = "GET", credentials: str = "omit"
    ) -> Any:
        asked = [self._server.address + path, "POST" if body else method, token, body, credentials]
        return await self._page.evaluate(ASK, asked)


async def test_a_page_of_a_named_origin_reports_and_reads_with_its_token(
    browser: Browser, server: Served, shop: str
) -> None:
    _, key = server.new_key("shop", scopes=["ingest", "read"])
    context = await browser.new_context()
    page = Page(await context.new_page(), server)
    await page._page.goto(shop)

    call = {**CALL, "clientId": "shop"}
    receipt = await page.ask("/api/ai/track", key, call)
    assert (receipt["status"], receipt["body"]["status"], receipt["body"]["cost"]) == (201, "committed", 0.0075)
    read = await page.ask("/api/analytics?days=7", key)
    assert (read["status"], read["body"]["summary"]["requests"], len(read["id"])) == (200, 1, 16)
    assert (await page.ask("/api/analytics", key, method="HEAD"))["status"] == 200

    # errors can be read, too: a page can say what is wrong
    wrong = await page.ask("/api/ai/track", key, {**call, "inputTokens": -1})
    assert (wrong["status"], wrong["body"]["errors"][0]["field"]) == (400, "inputTokens")
    unknown = await page.ask("/api/analytics", "tm_wrong")
    assert (unknown["status"], unknown["body"]["title"]) == (401, "Not authenticated")
    assert (await page.ask("/api/admin/ai/usage", key))["status"] == 403
    await context.close()


async def test_a_page_of_another_origin_reaches_nothing_with_a_token_and_a_named_one_nothing_with_a_session(
    browser: Browser, server: Served, session: StorageState, shop: str
) -> None:
    _, key = server.new_key("stranger", scopes=["ingest", "read"])
    context = await browser.new_context(storage_state=session)
    page = Page(await context.new_page(), server)
    with other_origin() as stranger:
        await page._page.goto(stranger)
        assert await page.ask("/api/ai/track", key, {**CALL, "clientId": "stranger"}) == BLOCKED
        assert await page.ask("/api/analytics", key) == BLOCKED
        assert await page.ask("/api/admin/ai/overview", None, credentials="include") == BLOCKED
    assert server.get("/api/analytics", clientId="stranger")["summary"]["requests"] == 0

    # the administrator has signed in to the pages in this browser
    await page._page.goto(shop)
    assert await page.ask("/api/admin/ai/overview", None, credentials="include") == BLOCKED
    assert await page.ask("/api/ai/track", None, CALL, credentials="include") == BLOCKED
    assert await page.ask("/admin/session", None, credentials="include") == BLOCKED
    assert await page.ask("/health", None) == BLOCKED
    await context.close()
