"""The description of the API, which anyone may ask for."""

import asyncio
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient


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
