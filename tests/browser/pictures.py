"""Take the pictures of the README from a running demo: python -m tests.browser.pictures ADDRESS TOKEN."""

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Literal

from playwright.async_api import async_playwright

from tests.browser.conftest import ARGUMENTS, BROWSERS
from tests.browser.reading import settled
from tests.browser.test_sign_in import sign_in

IMAGES = Path(__file__).parents[2] / "docs" / "images"
Scheme = Literal["light", "dark"]
PICTURES: dict[str, tuple[str, Scheme, int]] = {
    "overview.png": ("/admin", "light", 900),
    "finance-dark.png": ("/admin/cost/margins?days=90", "dark", 900),
}
"""By file: the page, its theme and height in px."""


async def take(address: str, token: str) -> None:
    async with async_playwright() as playwright:
        path = next(found for name in BROWSERS if (found := shutil.which(name)))
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        for file, (page_path, scheme, height) in PICTURES.items():
            context = await browser.new_context(viewport={"width": 1440, "height": height}, color_scheme=scheme)
            page = await context.new_page()
            await page.goto(address + page_path)
            await sign_in(page, token)
            await settled(page)
            await page.screenshot(path=IMAGES / file)
            await context.close()
        await browser.close()


if __name__ == "__main__":
    asyncio.run(take(*sys.argv[1:]))
