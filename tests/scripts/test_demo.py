"""What `make demo` sets up for the gateway."""

from pathlib import Path

import httpx
import pytest

from app.auth.api_keys import KeyRing
from app.database import Database
from app.gateway.formats.base import Api
from app.gateway.upstreams.upstreams import open_upstreams
from app.observability.metrics import Counters
from app.observability.troubles import Troubles
from app.settings import Settings
from scripts.toolkit.demo_gateway import demo_gateway, demo_key


@pytest.mark.parametrize(
    ("api", "model"),
    [
        ("openai", "gpt-4o"),
        ("openai", "llama-3.3-70b-versatile"),
        ("openai", "mistral-small-latest"),
        ("anthropic", "claude-opus-4-6"),
        ("gemini", "gemini-2.5-flash"),
    ],
)
async def test_each_api_has_an_upstream_that_answers_on_this_machine(api: str, model: str, tmp_path: Path) -> None:
    async with (
        demo_gateway(Settings(_env_file=None, data_dir=tmp_path)) as settings,
        open_upstreams(settings, Troubles(), Counters()) as upstreams,
    ):
        (target,) = upstreams.targets(model, Api(api))
        address = httpx.URL(target.upstream.base_url).copy_with(path="/v1/models")
        async with httpx.AsyncClient(headers={"authorization": "Bearer sk-demo"}) as http:
            assert (target.model, (await http.get(address)).status_code) == (model, 200)


async def test_requests_in_one_form_need_name_no_model_and_lists_of_models_are_not_empty(tmp_path: Path) -> None:
    async with (
        demo_gateway(Settings(_env_file=None, data_dir=tmp_path)) as settings,
        open_upstreams(settings, Troubles(), Counters()) as upstreams,
    ):
        defaults = upstreams.catalog.defaults.values()
        listed = {row.id for row in upstreams.models(lambda _: True)}
    assert len([*defaults]) == 3
    assert {*defaults, "gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash"} <= listed


async def test_who_has_a_gateway_keeps_it(tmp_path: Path) -> None:
    own = Settings(_env_file=None, data_dir=tmp_path, gateway_file=tmp_path / "own.toml")
    async with demo_gateway(own) as settings:
        assert settings is own


async def test_the_key_of_the_demo_before_is_revoked(database: Database) -> None:
    first, second = await demo_key(database), await demo_key(database)
    keys = KeyRing(database)
    assert (await keys.principal(second)).scopes == {"gateway"}
    with pytest.raises(Exception, match="revoked"):
        await keys.principal(first)
