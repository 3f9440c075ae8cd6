"""Every tab in a real browser, with the worst names there are: figures, charts, both themes, a narrow screen."""

from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Request, expect

from tests.browser.conftest import NARROW, Axe
from tests.browser.deployment import Served
from tests.browser.expected import figures, tables
from tests.browser.reading import Rows, exact, opened, show_charts, shown, sticking_out
from tests.browser.tabs import TABS

MOST_REQUESTS = 4
FROM_DATA = "#view img, #view b, #view script, #tooltip img"


def data_requests(page: Page) -> set[str]:
    """A set that grows with every request for data, the stream and the notes aside, which are asked for once behind
    what a page shows. A refresh asks for the same again.
    """
    asked: set[str] = set()

    def note(request: Request) -> None:
        path = urlsplit(request.url).path
        if path.startswith("/api/") and not path.endswith(("/live", "/notes")):
            asked.add(request.url)

    page.on("request", note)
    return asked


def read(rows: Rows, wanted: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    """The rows that a table shows, with the figures that are wanted of each."""
    return {key: {name: exact(cells.get(name)) for name in wanted.get(key, cells)} for key, cells in rows}


@pytest.mark.parametrize("tab", TABS)
async def test_a_tab_shows_what_the_routes_say_in_both_themes_and_on_a_telephone(
    tab: str, signed_in: Page, server: Served, axe: Axe
) -> None:
    page = signed_in
    asked = data_requests(page)
    address = "/admin" if tab == "overview" else f"/admin/{tab}"
    await opened(page, f"{address}{'&' if '?' in address else '?'}data=all")

    # the days of the deployment, though this browser is in Los Angeles; all data in few requests
    assert len(asked) <= MOST_REQUESTS, asked
    await expect(page.locator("#about")).to_contain_text("days of UTC")
    assert await axe(page) == []

    of_tab = TABS[tab]
    answers = of_tab.answers(server, days=30, synthetic="include")
    found = await shown(page, tables=True)
    wanted = figures(of_tab, answers)
    assert {name: exact(found.figures.get(name, "absent")) for name in wanted} == wanted
    for panel, rows in tables(of_tab, answers).items():
        assert read(found.tables.get(panel, []), rows) == rows, panel

    # a label leads to the field that it names
    ids = await page.locator("[id]").evaluate_all("all => all.map(each => each.id)")
    assert sorted(ids) == sorted(set(ids))

    # names are text, whatever they hold
    assert await page.locator(FROM_DATA).count() == 0
    assert await page.title() != "run"

    # the other theme, and a telephone, with tables and with charts
    before = await page.locator("html").get_attribute("data-theme")
    other = "light" if before == "dark" else "dark"
    await page.locator(f'#theme [data-choice="{other}"]').click()
    await expect(page.locator("html")).to_have_attribute("data-theme", other)
    assert await axe(page) == []
    await page.set_viewport_size(NARROW)
    assert await sticking_out(page) == []
    await show_charts(page)
    assert await sticking_out(page) == []
