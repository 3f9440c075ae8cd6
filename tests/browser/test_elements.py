"""What pages are made of: a part that is shown anew keeps its elements and takes what they do from the new one."""

from playwright.async_api import Page

from app.web.assets import FOLDER
from tests.browser.reading import opened

REDRAWN = """async () => {
  const { el, settle } = await import("/dom.js");
  const [root, heard] = [document.createElement("div"), []];
  const draw = heardBy => settle(root, el("input", { oninput: heardBy && (() => heard.push(heardBy)) }));
  const type = () => root.firstChild.dispatchEvent(new Event("input"));
  draw("first");
  const field = root.firstChild;
  draw("second");
  type();
  draw(null);
  type();
  return { heard, kept: field === root.firstChild };
}"""
UNKNOWN = """async () => {
  const { el } = await import("/dom.js");
  try { el("p", { onnothing: () => {} }) } catch (error) { return error.message }
}"""


async def test_a_field_that_is_drawn_again_does_what_the_last_drawing_says(signed_in: Page) -> None:
    # pages have all modules in one file: this one is asked for by itself
    await signed_in.route("**/dom.js", lambda route: route.fulfill(path=FOLDER / "dom.js"))
    page = await opened(signed_in, "/admin/cost?clientId=acme")

    assert await page.evaluate(REDRAWN) == {"heard": ["second"], "kept": True}
    assert await page.evaluate(UNKNOWN) == "<P> has no onnothing"
