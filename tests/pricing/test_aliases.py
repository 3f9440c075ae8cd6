"""Deployments and aliases stand for a provider and a model; what was reported stays on the entry."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.errors import ConfigurationError
from app.ledger.recording import Recorder
from app.maintenance.repricing.stored_calls import cost_of
from app.pricing.costs import Pricing
from app.pricing.estimates import Estimates
from app.pricing.sellers import Sellers
from app.settings import Settings
from models.call import AICall
from tests.pricing.test_costs import Book

AT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
FILE = """
[aliases]
prod-chat = { provider = "azure", model = "gpt-4o" }
"Gate/Smart" = { provider = "vertex_ai", model = "claude-sonnet-4-5", region = "europe-west1" }
"my/claude" = { provider = "bedrock", model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0" }
gone = { provider = "openai", model = "gpt-of-nobody" }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "aliases.toml"
    path.write_text(FILE)
    return path


def recorded(file: Path, **reported: Any) -> tuple[dict[str, Any], Any]:
    recorder = Recorder.of(Settings(_env_file=None, model_aliases=file), Book())
    call = AICall(user_id="u", content_type="chat", input_tokens=1_000, output_tokens=100, **reported)
    pair, cost = recorder.record(call, AT)
    return pair.entry, cost


@pytest.mark.parametrize(
    ("reported", "provider", "dollars"),
    [
        ({"model": "prod-chat"}, "azure", "0.0035"),
        ({"model": "PROD-chat", "provider": "langchain"}, "azure", "0.0035"),
        ({"model": "prod-chat", "provider": "azure.chat"}, "azure", "0.0035"),
        ({"model": "smart", "provider": "gate"}, "google", "0.00495"),  # a tenth more in a region
        ({"model": "gate/smart"}, "google", "0.00495"),
        ({"model": "my/claude"}, "aws", "0.00495"),
    ],
)
def test_an_alias_is_priced_as_what_it_stands_for(
    file: Path, reported: dict[str, Any], provider: str, dollars: str
) -> None:
    entry, cost = recorded(file, **reported)
    sellers = Sellers.installed(file)

    assert (cost.cost, entry["provider"], entry["aiModel"]) == (Decimal(dollars), provider, reported["model"])
    assert cost_of(entry, sellers, Pricing(sellers, Book(), Estimates())) == cost


def test_an_alias_of_a_provider_is_for_its_calls_alone(file: Path) -> None:
    _, cost = recorded(file, model="smart", provider="other-gate")

    assert cost.unpriced_reason == "model_unknown: no price list has smart at other-gate"


def test_an_alias_of_what_nobody_sells_is_unpriced(file: Path) -> None:
    entry, cost = recorded(file, model="gone")

    assert (cost.cost, entry["provider"]) == (None, "openai")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[aliases]\nx = 1", "aliases, x: Input should be"),
        ('[aliases]\nx = { provider = "azure" }', "aliases, x, model: Field required"),
        ('[aliases]\nx = { provider = "azur", model = "gpt-4o" }', "aliases, x, provider: azur is not a seller"),
        ('[aliases]\nx = { provider = "ollama", model = "gpt-4o" }', "aliases, x, provider: ollama is not a seller"),
        ('[aliases]\nx = { provider = "azure", model = "gpt-4o", price = 1 }', "aliases, x, price: Extra inputs"),
        (
            '[aliases]\nX = { provider = "azure", model = "a" }\nx = { provider = "azure", model = "a" }',
            "x: is there twice",
        ),
        ("[alias]\n", "alias: Extra inputs"),
        ("[aliases", "Expected"),
    ],
)
def test_a_file_that_cannot_be_used_ends_the_start(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "aliases.toml"
    path.write_text(text)

    with pytest.raises(ConfigurationError) as raised:
        Recorder.of(Settings(_env_file=None, model_aliases=path), Book())

    assert f"TWINMETER_MODEL_ALIASES: {path} cannot be used: " in str(raised.value)
    assert fault in str(raised.value)


def test_a_file_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="TWINMETER_MODEL_ALIASES"):
        Recorder.of(Settings(_env_file=None, model_aliases=tmp_path / "none.toml"), Book())
