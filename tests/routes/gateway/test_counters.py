"""What `/metrics` says of the gateway."""

import asyncio
import re

import pytest

from app.gateway import streams
from tests.patience import patience
from tests.routes.gateway.conftest import Site
from tests.routes.gateway.test_endings import LONG, leave_after

NAMES = (
    *("calls_total", "refusals_total", "fallbacks_total", "added_seconds_count", "open_calls", "drains"),
    *("drained_calls_total", "keep_alives_total"),
)


async def figures(site: Site) -> dict[str, float]:
    text = (await site.client.get("/metrics")).text
    found = re.findall(r"^twinmeter_gateway_(\w+(?:\{[^}]*\})?) ([0-9.e+-]+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found if name.partition("{")[0] in NAMES}


async def test_calls_refusals_and_fallbacks_are_counted(site: Site) -> None:
    before = await figures(site)

    await site.chat()
    await site.chat("twice")
    await site.chat("gpt-4o--rate_limit=1")
    await site.chat("on-the-moon")
    await site.chat("nobody")

    after = await figures(site)
    grown = {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}
    assert grown == {
        'calls_total{api="openai",ending="success"}': 2,
        'calls_total{api="openai",ending="rate_limited"}': 1,
        'calls_total{api="openai",ending="upstream_unreachable"}': 1,
        'refusals_total{api="openai",code="model_not_found"}': 1,
        "fallbacks_total": 1,
        "added_seconds_count": 4,
    }
    assert (after["open_calls"], after["drains"]) == (0, 0)


async def test_what_is_read_on_for_who_has_left_and_signs_of_life_are_counted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await figures(site)
    monkeypatch.setattr(streams, "KEEP_ALIVE_SECONDS", 0.02)

    await leave_after(site, 3, {**LONG, "model": "gpt-4o--slow=2--tokens=40"})
    await site.until(1)
    await site.read({**LONG, "model": "gpt-4o--slow=60--tokens=3"})

    async with asyncio.timeout(patience(10)):
        while (after := await figures(site))["open_calls"]:  # noqa: ASYNC110 - of the server
            await asyncio.sleep(0.01)
    assert after["drained_calls_total"] - before["drained_calls_total"] == 1
    assert after["keep_alives_total"] > before["keep_alives_total"]
