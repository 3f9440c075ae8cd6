"""The description of the API, which anyone may ask for."""

import asyncio
import re
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.http.openapi import entitle


async def test_it_is_made_once_for_all_who_ask_at_once(
    client: AsyncTestClient[Litestar], monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin: Any = client.app.plugins.get("OpenAPIPlugin")
    make, made = type(plugin)._build_openapi, []

    def build(self: Any) -> Any:
        made.append(self)
        return make(self)

    monkeypatch.setattr(type(plugin), "_build_openapi", build)
    answers = await asyncio.gather(*(client.get("/schema") for _ in range(8)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert made == [plugin]


def test_titles_of_fields_can_be_read() -> None:
    made = {
        "userId": "Userid",
        "cacheWrite1hTokens": "Cachewrite1Htokens",
        "ip": "Ip",
        "name": "Who it is",
        "a_b": "A B",
    }
    schema = {"x": [{"properties": {name: {"title": title} for name, title in made.items()}}]}

    fields = entitle(schema)["x"][0]["properties"]

    assert [each["title"] for each in fields.values()] == ["User id", "Cache write 1h tokens", "Ip", "Who it is", "A b"]


async def test_the_reference_is_a_page_of_our_own_files_alone(empty: AsyncTestClient[Litestar]) -> None:
    page = await empty.get("/docs")
    links = re.findall(r'(?:href|src)="([^"]+)"', page.text)

    assert page.status_code == 200
    assert "script-src 'self'; style-src 'self'" in page.headers["content-security-policy"]
    assert all(link.startswith("/") for link in links)
    for link in links:
        assert (await empty.get(link)).status_code == 200, link
    assert '"Userid"' not in (await empty.get("/schema")).text
