"""What a file need not say of providers that everybody knows, and where their keys go."""

from pathlib import Path

import pytest

from app.gateway.formats.base import Api, Format
from app.gateway.upstreams.upstream import Upstream
from app.gateway.upstreams.well_known import providers
from app.pricing.token_prices import TokenPrices
from tests.gateway.upstreams.around import KEYS, catalog_of


@pytest.mark.parametrize(
    ("name", "api", "base_url", "variable", "header", "provider"),
    [
        ("openai", "openai", "https://api.openai.com/v1", "OPENAI_API_KEY", None, "openai"),
        ("anthropic", "anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY", None, "anthropic"),
        ("gemini", "gemini", "https://generativelanguage.googleapis.com", "GEMINI_API_KEY", None, "google"),
        ("groq", "openai", "https://api.groq.com/openai/v1", "GROQ_API_KEY", None, "groq"),
        ("mistral", "openai", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", None, "mistral"),
        ("deepseek", "openai", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", None, "deepseek"),
        ("openrouter", "openai", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", None, "openrouter"),
        ("together", "openai", "https://api.together.xyz/v1", "TOGETHER_API_KEY", None, "together"),
        ("ollama", "openai", "http://127.0.0.1:11434/v1", None, None, "ollama"),
    ],
)
def test_a_well_known_provider_needs_no_word_more(
    name: str, api: str, base_url: str, variable: str | None, header: str | None, provider: str, tmp_path: Path
) -> None:
    upstream = catalog_of(f"[upstreams.{name}]", tmp_path).upstreams[name]

    assert (upstream.api, upstream.base_url, upstream.provider) == (Api(api), base_url, provider)
    assert (upstream.key and upstream.key.reveal()) == (KEYS[variable] if variable else None)
    assert (upstream.key_source, upstream.key_header) == (f"env {variable}" if variable else None, header)
    assert upstream.models == ("*",)


def upstream_of(text: str, folder: Path) -> Upstream:
    (upstream,) = catalog_of(text, folder).upstreams.values()
    return upstream


def test_azure_has_a_header_of_its_own_and_is_known_by_its_host(tmp_path: Path) -> None:
    upstream = upstream_of(
        "[upstreams.eu]\nbase_url = 'https://Shop.openai.azure.com/openai/deployments/{model}'\n"
        "query = { api-version = '2024-10-21' }",
        tmp_path,
    )

    assert (upstream.api, upstream.provider, upstream.key_header) == (Api.OPENAI, "azure", "api-key")
    assert upstream.key_source == "env AZURE_OPENAI_API_KEY"
    assert upstream.url("/chat/completions", "gpt/4o ä") == (
        "https://Shop.openai.azure.com/openai/deployments/gpt%2F4o%20%C3%A4/chat/completions?api-version=2024-10-21"
    )
    assert upstream.url("/models?alt=sse", "x").endswith("/models?alt=sse&api-version=2024-10-21")


@pytest.mark.parametrize(
    ("text", "source", "provider"),
    [
        ("[upstreams.openai]\nbase_url = 'http://127.0.0.1:9000/v1'", None, "openai"),
        ("[upstreams.openai]\nbase_url = 'http://api.openai.com/v1'", None, "openai"),
        ("[upstreams.openai]\nbase_url = 'https://api.openai.com.evil.example/v1'", None, "openai"),
        ("[upstreams.azure]\nbase_url = 'https://proxy.example/v1'", None, "azure"),
        ("[upstreams.team]\nbase_url = 'https://api.openai.com/v1'", "env OPENAI_API_KEY", "openai"),
        ("[upstreams.team]\nprovider = 'openai'", "env OPENAI_API_KEY", "openai"),
        ("[upstreams.team]\nprovider = 'google'", "env GEMINI_API_KEY", "google"),
        ("[upstreams.mine]\nformat = 'openai'\nbase_url = 'https://proxy.example/v1'", None, "mine"),
        (
            "[upstreams.mine]\nformat = 'openai'\nbase_url = 'https://proxy.example/v1'\nkey_env = 'GROQ_API_KEY'",
            "env GROQ_API_KEY",
            "mine",
        ),
        (
            "[upstreams.deepseek]\nformat = 'anthropic'\nbase_url = 'https://api.deepseek.com/anthropic'",
            "env DEEPSEEK_API_KEY",
            "deepseek",
        ),
    ],
)
def test_a_key_goes_to_its_providers_own_host_unless_the_file_says_more(
    text: str, source: str | None, provider: str, tmp_path: Path
) -> None:
    upstream = upstream_of(text, tmp_path)

    assert (upstream.key_source, upstream.provider) == (source, provider)


def test_every_provider_is_one_of_the_price_lists_or_a_machine_of_ones_own() -> None:
    prices = TokenPrices()

    assert {row.provider for row in providers().values() if not prices.knows_provider(row.provider)} == {
        "ollama",
        "vllm",
    }


@pytest.mark.parametrize(
    ("text", "stream_usage"),
    [
        ("[upstreams.mistral]", "given"),
        ("[upstreams.mistral]\nstream_usage = 'asked'", "asked"),
        ("[upstreams.groq]", "asked"),
        ("[upstreams.vllm]\nbase_url = 'http://gpu:8000/v1'\nstream_usage = 'given'", "given"),
    ],
)
def test_a_file_says_whose_streams_need_not_be_asked_for_their_usage(
    text: str, stream_usage: str, tmp_path: Path
) -> None:
    assert upstream_of(text, tmp_path).stream_usage == stream_usage


class FakeFormat:
    """Of what a format knows, how a key is sent."""

    @staticmethod
    def headers_for(key: str) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer {key}"), ("version", "1")]


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("[upstreams.groq]", [("authorization", f"Bearer {KEYS['GROQ_API_KEY']}"), ("version", "1")]),
        (
            "[upstreams.groq]\nkey_header = 'X-Key'\nheaders = { X-A = 'b' }",
            [("version", "1"), ("X-Key", KEYS["GROQ_API_KEY"]), ("X-A", "b")],
        ),
        ("[upstreams.ollama]", [("version", "1")]),
    ],
)
def test_an_upstream_is_sent_its_key_and_its_headers(text: str, headers: list[tuple[str, str]], tmp_path: Path) -> None:
    form: Format = FakeFormat  # type: ignore[assignment]

    assert upstream_of(text, tmp_path).headers_by(form) == headers
