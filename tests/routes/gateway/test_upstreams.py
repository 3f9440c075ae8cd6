"""What callers notice of the gateway's file: names, changes, upstreams that fail, circles, and never a key."""

from collections.abc import AsyncIterator

import pytest

from app.gateway.upstreams.attempts import each_once
from tests.routes.gateway.conftest import PROVIDER_KEY, UPSTREAMS, Site


@pytest.fixture
async def changed(site: Site) -> AsyncIterator["Changed"]:
    """The gateway with a file of a test's own, and afterwards with the one before."""
    changed = Changed(site)
    yield changed
    changed.to(UPSTREAMS)


class Changed:
    """The gateway's file."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def to(self, text: str, **addresses: str) -> None:
        """Use it now: that it is looked at each second has tests of its own."""
        upstreams = self.site.gateway.upstreams
        upstreams.path.write_text(text.format(address=self.site.provider.address, **addresses))
        upstreams.health._courses.clear()
        upstreams._use(upstreams._read())


async def test_a_model_of_nobody_is_refused_as_openai_would(site: Site) -> None:
    answer = await site.chat("nobody-knows")

    assert (answer.status_code, answer.headers["x-twinmeter-error"]) == (404, "model_not_found")
    assert answer.headers["x-should-retry"] == "false"
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert error["message"].startswith("this gateway has no model 'nobody-knows' here")
    assert await site.entries() == []


async def test_a_change_of_the_file_holds_for_the_next_call(site: Site, changed: Changed) -> None:
    assert (await site.chat("new-name")).status_code == 404
    changed.to(UPSTREAMS + "[models.new-name]\nto = 'openai/gpt-4o'\n")

    answer = await site.chat("new-name")

    assert answer.status_code == 200
    assert answer.json()["model"].startswith("gpt-4o")
    entry = await site.entry(answer)
    assert entry["upstream"] == "openai"


async def test_an_upstream_that_cannot_be_connected_to_is_told_at_once(site: Site, changed: Changed) -> None:
    changed.to(UPSTREAMS)
    first = [await site.chat("on-the-moon") for _ in range(5)]
    refused = await site.chat("on-the-moon")

    assert {answer.status_code for answer in first} == {502}
    assert (refused.status_code, refused.headers["x-twinmeter-error"]) == (503, "upstream_unavailable")
    assert int(refused.headers["retry-after"]) in {1, 2}
    assert refused.json()["error"]["message"].startswith("no connection to gone: it is tried again in")
    assert len(await site.entries()) == 5


async def test_a_rate_limit_of_an_hour_passes_as_it_is_and_others_are_asked_first_meanwhile(
    site: Site, changed: Changed
) -> None:
    changed.to(UPSTREAMS + "[models.both]\nto = 'openai/gpt-4o--rate_limit=3600'\nfallbacks = ['openai-eu/gpt-4o']\n")

    alone = await site.chat("gpt-4o--rate_limit=3600")
    assert (alone.status_code, alone.headers["retry-after"]) == (429, "3600")
    site.provider.forget()
    both = await site.chat("both")

    assert (both.status_code, both.headers["x-twinmeter-attempts"]) == (200, "1")
    assert len(site.provider.requests) == 1
    assert (await site.entry(both))["upstream"] == "openai-eu"


async def test_a_gateway_that_leads_back_to_itself_says_so_after_one_round(site: Site, changed: Changed) -> None:
    file = UPSTREAMS + (
        "[upstreams.circle]\nformat = 'openai'\nbase_url = '{own}/v1'\nheaders = {{ Authorization = 'Bearer {key}' }}\n"
        "models = ['round-*']\n"
    )
    changed.to(file, own=site.address, key=site.key)

    answer = await site.chat("round-and-round")

    assert (answer.status_code, answer.json()["error"]["code"]) == (508, "gateway_loop")
    assert "base_url leads back here" in answer.json()["error"]["message"]


async def test_the_keys_of_upstreams_are_sent_to_them_and_shown_to_nobody(site: Site) -> None:
    answers = [
        await site.chat(),
        await site.chat("gpt-4o--error=401"),
        await site.chat("on-the-moon"),
        await site.client.get("/metrics"),
        await site.client.get("/v1/models", headers=site.holding()),
    ]

    received = site.provider.requests[0]
    assert received.header("authorization") == f"Bearer {PROVIDER_KEY}"
    assert site.key not in str(received.headers)
    assert not any(PROVIDER_KEY in answer.text + str(answer.headers) for answer in answers)
    assert PROVIDER_KEY not in str(await site.entries())


async def test_models_are_listed_in_the_shape_of_who_asks(site: Site) -> None:
    listed = (await site.client.get("/v1/models", headers=site.holding())).json()
    anthropic = await site.client.get("/v1/models", headers=site.holding(anthropic_version="2023-06-01"))
    one = await site.client.get("/v1/models/gpt-4o", headers=site.holding())
    none = await site.client.get("/v1/models/nobody-knows", headers=site.holding())

    names = [row["id"] for row in listed["data"]]
    assert names[:2] == ["fast", "twice"]
    assert set(names) >= {"eu-only", "on-the-moon"}
    assert not any("*" in name for name in names)
    assert anthropic.json()["data"] == []
    assert (one.status_code, one.json()["id"], one.json()["owned_by"]) == (200, "gpt-4o", "openai")
    assert (none.status_code, none.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("model", "counted"),
    [
        ("gpt-4o", {"success": 1}),
        ("gpt-4o--rst=3", {"success": 1, "broke_off": 1}),
        ("gpt-4o--error=503", {"failed": 1}),
    ],
)
async def test_an_answer_that_breaks_off_is_no_second_attempt(site: Site, model: str, counted: dict[str, int]) -> None:
    counters = site.app.state.tracker.counters
    before = counters.attempts().get("openai", {})
    await site.read({"model": model, "messages": [{"role": "user", "content": "a b c d e"}], "stream": True})
    after = counters.attempts()["openai"]

    assert {
        name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)
    } == counted
    gained = sum(each_once(after).values()) - sum(each_once(before).values())
    assert gained == 1
