"""Who sold a call, whatever instrumentations, frameworks, gateways and clouds call its provider and its model."""

import tomllib
from decimal import Decimal
from typing import Any

import pytest

from app.pricing.seller_names import TABLE, Kind, Said, SellerNames
from models.unpriced import code_of
from tests.pricing.test_costs import SELLERS, price

SONNET_45 = "regional.anthropic.claude-sonnet-4-5-20250929-v1:0"
BEDROCK_ID = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"

PROVIDERS = [
    ("xai.chat", "grok-4", "x-ai"),
    ("x_ai", "grok-4", "x-ai"),
    ("ChatXAI", "grok-4", "x-ai"),
    ("groq.chat", "llama-3.3-70b-versatile", "groq"),
    ("ChatGroq", "llama-3.3-70b-versatile", "groq"),
    ("openai.responses", "gpt-5", "openai"),
    ("openai.embedding", "text-embedding-3-small", "openai"),
    ("OPEN_AI", "gpt-5", "openai"),
    ("anthropic.messages", "claude-sonnet-4-5", "anthropic"),
    ("google.generative-ai", "gemini-2.5-flash", "google"),
    ("google.vertex.chat", "gemini-2.5-flash", "google"),
    ("google.vertex.anthropic.messages", "claude-sonnet-4-5@20250929", "google"),
    ("vertex.anthropic.messages", "claude-sonnet-4-5", "google"),
    ("vertex_ai-anthropic_models", "claude-sonnet-4-5@20250929", "google"),
    ("gcp.vertex_ai", "gemini-2.5-flash", "google"),
    ("gcp.gemini", "gemini-2.5-flash", "google"),
    ("gcp.gen_ai", "gemini-2.5-flash", "google"),
    ("GOOGLE_VERTEX_AI_GEMINI", "gemini-2.5-flash", "google"),
    ("amazon-bedrock", BEDROCK_ID, "aws"),
    ("aws.bedrock", BEDROCK_ID, "aws"),
    ("bedrock_converse", BEDROCK_ID, "aws"),
    ("AnthropicBedrock", BEDROCK_ID, "aws"),
    ("azure.chat", "gpt-4o", "azure"),
    ("azure-openai.responses", "gpt-4o", "azure"),
    ("azure_ai", "gpt-4o", "azure"),
    ("azure.ai.inference", "gpt-4o", "azure"),
    ("azure.ai.openai", "gpt-4o", "azure"),
    ("az.ai.openai", "gpt-4o", "azure"),
    ("AzureChatOpenAI", "gpt-4o", "azure"),
    ("AZURE_OPEN_AI", "gpt-4o", "azure"),
    ("our-azure-openai-eu", "gpt-4o", "azure"),
    ("togetherai.chat", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "together"),
    ("mistral.chat", "mistral-large-latest", "mistral"),
    ("mistral_ai", "mistral-large-latest", "mistral"),
    ("cohere.chat", "command-a-03-2025", "cohere"),
    ("deepseek.chat", "deepseek-chat", "deepseek"),
    ("perplexity", "sonar-pro", "perplexity"),
    ("openrouter.chat", "anthropic/claude-sonnet-4.5", "openrouter"),
]


@pytest.mark.parametrize(("said", "model", "provider"), PROVIDERS)
def test_a_seller_is_known_by_the_names_that_it_is_called(said: str, model: str, provider: str) -> None:
    seller = SELLERS.of(model, said)

    assert seller.tokens is not None
    assert (seller.provider, seller.tokens.provider, seller.reported_provider) == (provider, provider, None)
    assert SELLERS.of(model, provider) == seller


SILENT = [
    *("gateway", "vercel", "openai_agents", "strands-agents", "langgraph", "langchain", "spring_ai", "llamaindex"),
    *("crewai", "pydantic_ai", "litellm", "portkey", "openai-compatible", "microsoft.agent_framework", "unknown"),
]


@pytest.mark.parametrize("said", SILENT)
@pytest.mark.parametrize(
    ("model", "provider", "priced_as"),
    [
        ("gpt-4o", "openai", "gpt-4o"),
        ("openai/gpt-4o", "openai", "gpt-4o"),
        ("openai:gpt-4o", "openai", "gpt-4o"),
        ("anthropic/claude-sonnet-4.5", "anthropic", "claude-sonnet-4-5"),
        ("xai/grok-4", "x-ai", "grok-4-0709"),
        ("google-gla:gemini-2.5-flash", "google", "gemini-2.5-flash"),
        (BEDROCK_ID, "aws", SONNET_45),
        (f"bedrock/{BEDROCK_ID}", "aws", SONNET_45),
    ],
)
def test_of_a_framework_or_a_gateway_the_models_name_tells(
    said: str, model: str, provider: str, priced_as: str
) -> None:
    seller = SELLERS.of(model, said)

    assert seller.tokens is not None
    assert (seller.provider, seller.tokens.model, seller.reported_provider) == (provider, priced_as, None)


PATHS = [
    ("models/gemini-2.5-flash", "google", "gemini-2.5-flash"),
    ("publishers/google/models/gemini-2.5-flash", "google", "gemini-2.5-flash"),
    ("projects/p/locations/global/publishers/google/models/gemini-2.5-flash", "google", "gemini-2.5-flash"),
    ("vertex_ai/claude-sonnet-4-5@20250929", "google", "claude-sonnet-4-5"),
    ("claude-sonnet-4-5@20250929", "google", "claude-sonnet-4-5"),
    ("claude-opus-4-6@default", "google", "claude-opus-4-6"),
    ("gemini/gemini-2.5-flash", "google", "gemini-2.5-flash"),
    (BEDROCK_ID, "aws", SONNET_45),
    (BEDROCK_ID.upper(), "aws", SONNET_45),
    ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws", SONNET_45),
    ("jp.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws", SONNET_45),
    ("anthropic.claude-sonnet-4-5-20250929-v1:0", "aws", SONNET_45),
    ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws", f"global.{SONNET_45.removeprefix('regional.')}"),
    (f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{BEDROCK_ID}", "aws", SONNET_45),
    (
        "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
        "aws",
        "regional.anthropic.claude-3-haiku-20240307-v1:0",
    ),
    (f"bedrock/{BEDROCK_ID}", "aws", SONNET_45),
    (f"bedrock/converse/{BEDROCK_ID}", "aws", SONNET_45),
    ("bedrock/us-west-2/anthropic.claude-sonnet-4-5-20250929-v1:0", "aws", SONNET_45),
    ("azure/gpt-4o", "azure", "gpt-4o"),
    ("azure_ai/gpt-4o", "azure", "gpt-4o"),
    ("xai/grok-4", "x-ai", "grok-4-0709"),
    ("ft:gpt-4o-mini-2024-07-18:org::id", "openai", "ft:gpt-4o-mini"),
    ("FT:GPT-4o-mini-2024-07-18:org::id", "openai", "ft:gpt-4o-mini"),
]


@pytest.mark.parametrize(("model", "provider", "priced_as"), PATHS)
def test_a_models_path_leads_to_its_seller(model: str, provider: str, priced_as: str) -> None:
    for said in (None, "langchain", provider):
        seller = SELLERS.of(model, said)

        assert seller.tokens is not None
        assert (seller.provider, seller.tokens.model) == (provider, priced_as)


def test_where_vertex_answers_is_in_the_path() -> None:
    seller = SELLERS.of("projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-5@20250929", None)

    assert (seller.provider, seller.region) == ("google", "us-east5")


NOT_PRICED = [
    # open models at several prices, and sellers who have their own
    (None, "meta-llama/Llama-3.3-70B-Instruct", "seller_uncertain"),
    ("huggingface", "meta-llama/Llama-3.3-70B-Instruct", "seller_uncertain"),
    ("My Gate", "llama-3.3-70b-versatile", "seller_uncertain"),
    ("my-gate", "claude-sonnet-4-5-20250929", "seller_uncertain"),  # Bedrock's list has this very name, a tenth dearer
    ("ollama", "gpt-4o", "model_unknown"),
    ("vllm", "mistral-large-latest", "model_unknown"),
    ("ibm.watsonx.ai", "mistral-large-latest", "model_unknown"),
    ("deepinfra", "gemini-2.5-flash", "model_unknown"),
    (None, "deepinfra/google/gemini-2.5-flash", "model_unknown"),
    ("replicate", "claude-sonnet-4-5", "model_unknown"),
    # what nobody else may be taken for
    ("azure", "prod-deployment", "model_unknown"),
    ("openai", "ft:gpt-4.1-mini-2025-04-14:org::id", "model_unknown"),
    (None, "anthropic.claude-of-tomorrow-v9:0", "model_unknown"),
    ("google", "tunedModels/my-own", "model_unknown"),
    (None, "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", "model_unknown"),
    (None, "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", "price_missing"),
    ("bedrock", "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/anthropic.claude-3-haiku-v1", "price_missing"),
    ("azure", "azure/eu/gpt-4o-2024-08-06", "model_unknown"),
]


@pytest.mark.parametrize(("provider", "model", "code"), NOT_PRICED)
def test_a_price_that_is_not_certain_is_none_and_says_why(provider: str | None, model: str, code: str) -> None:
    cost = price(provider=provider, model=model, input_tokens=1_000, output_tokens=100).cost

    assert (cost.cost, code_of(cost.unpriced_reason)) == (None, code)


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("gpt-4o", "0.0035"),
        ("openai/gpt-4o", "0.0035"),
        ("claude-sonnet-4-5", "0.0045"),
        ("anthropic/claude-sonnet-4.5", "0.0045"),
        ("gemini-2.5-flash", "0.00055"),
        ("models/gemini-2.5-flash", "0.00055"),
        ("grok-4", "0.0045"),
        (BEDROCK_ID, "0.00495"),
    ],
)
def test_a_seller_whom_no_list_knows_is_kept_and_priced_where_all_ask_the_same(model: str, dollars: str) -> None:
    priced = price(provider="My Gate", model=model, input_tokens=1_000, output_tokens=100)

    assert (priced.cost.cost, priced.seller.provider, priced.seller.reported_provider) == (
        Decimal(dollars),
        "my gate",
        None,
    )


def test_an_image_through_an_unknown_gateway_has_its_makers_price() -> None:
    reported: dict[str, Any] = {"model": "dall-e-3", "content_type": "image-generation", "images": 1}

    assert price(provider="My Gate", **reported).cost.cost == Decimal("0.04")
    assert price(provider="fal", **reported).cost.cost is None


def test_the_reason_names_the_sellers() -> None:
    cost = price(provider="My Gate", model="llama-3.3-70b-versatile", input_tokens=1).cost

    assert cost.unpriced_reason == (
        "seller_uncertain: llama-3.3-70b-versatile is sold by groq; what my gate asks is not known"
    )
    dearer = price(provider="My Gate", model="claude-sonnet-4-5-20250929", input_tokens=1).cost
    assert dearer.unpriced_reason == (
        f"seller_uncertain: aws asks another price of {SONNET_45} than its maker; my gate is not known"
    )


def test_who_cannot_have_answered_is_kept_as_reported() -> None:
    seller = SELLERS.of(BEDROCK_ID, "anthropic")

    assert (seller.provider, seller.reported_provider) == ("aws", "anthropic")


def test_every_seller_of_the_table_has_a_price_list_and_no_name_two_meanings() -> None:
    names = SellerNames.packaged()
    sellers = {said.seller for said in names._rows.values() if said.kind is Kind.SELLER}

    assert [seller for seller in sorted(sellers) if not SELLERS._knows(seller)] == []
    assert all(names.of(seller) == Said(Kind.SELLER, seller) for seller in sellers)
    assert names.of("of-nobody") is None


def test_a_name_stands_in_one_row_only() -> None:
    table = tomllib.loads(TABLE.read_text())
    names = [name for group in ("sellers", "silent", "elsewhere") for row in table[group].values() for name in row]

    assert [name for name in names if names.count(name) > 1] == []
    assert [name for name in names if name != name.lower() or "_" in name or " " in name] == []
