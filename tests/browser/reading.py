"""What a page shows, read as a person would: figures, the rows of tables, charts, and whether it is all there."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from playwright.async_api import Page, expect

READ = """() => {
  const value = each => each.dataset.value ?? null;
  const named = each => each.dataset.figure === "cost.quality"
    ? `${each.closest("[data-key]").dataset.key}.quality` : each.dataset.figure;
  const view = document.getElementById("view");
  const figures = [...view.querySelectorAll("[data-figure]")].filter(each => !each.closest("table"));
  const cells = row => [...row.querySelectorAll("[data-figure]")].map(each => [each.dataset.figure, value(each)]);
  const rows = panel => [...panel.querySelectorAll("tr[data-row]")]
    .map(row => [row.dataset.row, Object.fromEntries(cells(row))]);
  const panels = [...view.querySelectorAll("[data-panel]")].filter(panel => panel.querySelector("table"));
  return {
    figures: Object.fromEntries(figures.map(each => [named(each), value(each)])),
    tables: Object.fromEntries(panels.map(panel => [panel.dataset.panel, rows(panel)])),
  };
}"""
SHOW_TABLES = """() => {
  for (const each of document.querySelectorAll("[data-toggle][aria-pressed=false]")) each.click();
}"""
SHOW_CHARTS = SHOW_TABLES.replace("false", "true")
# what scrolls by itself, or is cut with care, is no scrolling of the page
TOO_WIDE = """() => {
  const inside = each => each.closest(".table-scroll, pre, .hidden, svg, [hidden], details:not([open])");
  const wide = [...document.body.querySelectorAll("*")].filter(each => {
    const { right, width } = each.getBoundingClientRect();
    return width > 0 && right > innerWidth + 0.5 && !inside(each) && !clipped(each);
  });
  function clipped(each) {
    for (let up = each.parentElement; up && up !== document.body; up = up.parentElement) {
      const fits = up.getBoundingClientRect().right <= innerWidth + 0.5;
      if (fits && getComputedStyle(up).overflowX !== "visible") return true;
    }
    return false;
  }
  const names = wide.map(each => `${each.tagName}.${each.className} ${each.textContent.slice(0, 40)}`);
  return { scrolls: document.documentElement.scrollWidth - innerWidth, names };
}"""

Rows = list[tuple[str, dict[str, str | None]]]


@dataclass(frozen=True)
class Shown:
    """The figures of a page by name, and its tables by panel; values as their exact texts."""

    figures: dict[str, str | None]
    tables: dict[str, Rows]


async def settled(page: Page) -> None:
    """Until every answer is there and every chart is drawn."""
    await page.wait_for_selector("#view[aria-busy=false]")
    await expect(page.locator("#view .chart:not([data-drawn])")).to_have_count(0)


async def opened(page: Page, address: str) -> Page:
    """The page at `address`, settled."""
    await page.goto(address)
    await settled(page)
    return page


async def shown(page: Page, *, tables: bool = False) -> Shown:
    """What the page shows now; with `tables`, after each chart was switched to the table behind it."""
    if tables:
        await page.evaluate(SHOW_TABLES)
    read = await page.evaluate(READ)
    return Shown(
        read["figures"], {panel: [(key, cells) for key, cells in rows] for panel, rows in read["tables"].items()}
    )


async def show_charts(page: Page) -> None:
    """Each chart again in place of its table."""
    await page.evaluate(SHOW_CHARTS)
    await settled(page)


async def until_figure(page: Page, name: str, value: object, **options: Any) -> None:
    """Wait for a key figure."""
    await expect(page.locator(f'dd[data-figure="{name}"]')).to_have_attribute("data-value", str(value), **options)


async def sticking_out(page: Page) -> list[str]:
    """What makes the page scroll sideways."""
    found = await page.evaluate(TOO_WIDE)
    return [*found["names"], *([f"scrolls by {found['scrolls']} px"] if found["scrolls"] > 0 else [])]


def exact(value: object) -> object:
    """Numbers as Decimal, so that 85.7 equals 85.70; what is not known as None."""
    if value is None or value == "" or isinstance(value, bool):
        return None if value in (None, "") else str(value).lower()
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return value
