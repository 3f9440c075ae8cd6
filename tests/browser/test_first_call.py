"""The first hour of a client: a key, a call in one of five ways, and its arrival."""

import json
import re
import shlex

import httpx
from playwright.async_api import Page, expect

from tests.browser.conftest import Axe
from tests.browser.deployment import Served
from tests.browser.test_sign_in import sign_in
from tests.browser.watch import Watch


async def test_who_has_no_calls_makes_a_key_reports_one_and_sees_it_arrive(
    page: Page, server: Served, axe: Axe, watch: Watch
) -> None:
    watch.expect("status of 401")
    _, admin = server.new_key("newcomer")
    await page.goto("/admin")
    await sign_in(page, admin)

    await expect(page.get_by_role("heading", name="Report your first call")).to_be_visible()
    await page.get_by_role("button", name="Make a key").press("Enter")
    key = (await page.get_by_role("region", name="Text: the key").inner_text()).strip()
    for way, words in {
        "JavaScript": "trackAIRequest",
        "OpenTelemetry": f"Bearer%20{key}",
        "Gateway": f"OPENAI_API_KEY={key}",
        "Python": f"export TWINMETER_URL={server.address} TWINMETER_KEY={key}",
        "curl": key,
    }.items():
        await page.get_by_role("button", name=way, exact=True).press("Space")
        await expect(page.get_by_role("region", name=f"Text: a call by {way}")).to_contain_text(words)
    assert re.fullmatch(r"tm_\S{56}", key)
    arrival = page.locator(".arrival")
    await expect(arrival).to_have_text("Waiting for the first call…")
    assert await axe(page) == []

    command = shlex.split(await page.get_by_role("region", name="Text: a call by curl").inner_text())
    headers = dict(command[at + 1].split(": ", 1) for at, word in enumerate(command) if word == "-H")
    async with httpx.AsyncClient() as http:
        answer = await http.post(command[1], headers=headers, json=json.loads(command[command.index("-d") + 1]))
    assert (answer.status_code, answer.json()["status"]) == (201, "committed")

    await expect(arrival).to_have_text("The first call has arrived.")
    await page.get_by_role("button", name="Show the figures").click()
    await expect(page.get_by_role("heading", name="Report your first call")).to_have_count(0)
    await expect(page.locator("[data-section]").first).to_be_visible()
