"""Wrapping on every Python that is supported. Not all have the SDKs: a client stands in that is made like theirs."""

from __future__ import annotations

import pytest
from client.tests.stand_in import StandIn
from client.tests.test_life import SUPPORTED, run

USAGE = {"prompt_tokens": 1, "completion_tokens": 2}
SCRIPT = f"""
import asyncio, twinmeter
from types import SimpleNamespace as Some

USAGE = {USAGE}

class Stream:
    def __init__(self, chunks):
        self._iterator, self.response = iter(chunks), Some(headers={{}}, close=lambda: None)
    def __iter__(self):
        return self._iterator

class OpenAI:
    __module__ = "openai"
    base_url = None
    def request(self, cast_to, options, *, stream=False):
        if not stream:
            return {{"model": "m", "usage": USAGE}}
        assert options.json_data["stream_options"] == {{"include_usage": True}}
        words = [{{"model": "m", "choices": [{{"delta": {{"content": "a"}}}}]}}]
        return Stream([*words, {{"model": "m", "choices": [], "usage": USAGE}}])
    def ask(self, **more):
        return self.request(dict, Some(method="post", url="/chat/completions", json_data={{"model": "m"}}), **more)
    def copy(self):
        return type(self)()

class AsyncOpenAI(OpenAI):
    __module__ = "openai"
    async def request(self, cast_to, options):
        return {{"model": "m", "usage": USAGE}}

client = twinmeter.wrap(OpenAI())
client.ask()
client.copy().ask()
assert len(list(client.ask(stream=True))) == 1
asyncio.run(twinmeter.wrap(AsyncOpenAI()).ask())

@twinmeter.call(user_id="u1", content_type="chat")
def words():
    yield {{"model": "m", "usage": USAGE}}

list(words())
"""


@pytest.mark.parametrize("python", SUPPORTED)
def test_clients_are_wrapped_and_blocks_reported(server: StandIn, python: str) -> None:
    done = run(SCRIPT, server.address, python)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [row["usage"] for row in server.rows] == [USAGE, USAGE, [USAGE], USAGE, [USAGE]]
