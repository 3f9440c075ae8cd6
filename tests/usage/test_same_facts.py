"""The same facts, however they are told: in plain fields, as a provider's response, as a span of every instrumentation
that we know, or as a row of a file. They give the same counts and the same cost, or the same reason.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.data import providers

from app.pricing.costs import Pricing
from app.pricing.overrides import OverrideTable
from app.usage.responses import reported_of
from models import ServiceType
from models.call import AICall
from scripts.transfer.calls import Calls
from scripts.transfer.mapping import Mapping
from tests.otlp.exports import fields_of

AT = datetime(2026, 10, 20, 12, 0, tzinfo=UTC)
FRESH, READ, OUTPUT = 800, 200, 500
INPUT = FRESH + READ
WHO = {"user_id": "u", "content_type": "chat", "created_at": AT}
ALL_MODELS = [(provider.id, model.id) for provider in providers for model in provider.models]

Facts = dict[str, Any]
Outcome = tuple[tuple[int, ...], Decimal | None, str | None]
"""Counts, cost, and why there is none."""
Telling = Callable[[str, str], Facts]


class Book:
    table = OverrideTable(())


PRICING = Pricing.of(Book())


def plain(provider: str, model: str) -> Facts:
    counts = {"input_tokens": INPUT, "output_tokens": OUTPUT, "cache_read_tokens": READ}
    return {"provider": provider, "model": model, **counts}


def response(usage: Facts, **around: Any) -> Telling:
    def told(provider: str, model: str) -> Facts:
        return {"provider": provider, "model": model, **reported_of({**around, "usage": usage}, provider)}

    return told


CHAT = {
    "prompt_tokens": INPUT,
    "completion_tokens": OUTPUT,
    "total_tokens": INPUT + OUTPUT,
    "prompt_tokens_details": {"cached_tokens": READ},
}
RESPONSES = {"input_tokens": INPUT, "output_tokens": OUTPUT, "input_tokens_details": {"cached_tokens": READ}}
MESSAGES = {
    "input_tokens": FRESH,
    "output_tokens": OUTPUT,
    "cache_read_input_tokens": READ,
    "cache_creation_input_tokens": 0,
}


def gemini(provider: str, model: str) -> Facts:
    usage = {"promptTokenCount": INPUT, "candidatesTokenCount": OUTPUT, "cachedContentTokenCount": READ}
    said = reported_of({"usageMetadata": {**usage, "totalTokenCount": INPUT + OUTPUT}}, provider)
    return {"provider": provider, "model": model, **said}


def span(scope: str, names: dict[str, str], more: Facts, counts: Facts) -> Telling:
    def told(provider: str, model: str) -> Facts:
        said = {names["provider"]: provider, names["model"]: model}
        fields = fields_of({**said, **more, **counts})
        return {name: fields[name] for name in fields.keys() - {"metadata", "request_id", "created_at", "status"}}

    told.__name__ = scope
    return told


GENAI = {"provider": "gen_ai.provider.name", "model": "gen_ai.request.model"}
OLDER = {"provider": "gen_ai.system", "model": "gen_ai.request.model"}
INFERENCE = {"provider": "llm.provider", "model": "llm.model_name"}
OPERATION = {"gen_ai.operation.name": "chat"}


COLUMNS = ("provider", "model", "input_tokens", "output_tokens", "cache_read_tokens")
FILE = Calls(
    Mapping.model_validate(
        {
            "name": "a test",
            "id_prefix": "t:",
            "fields": {
                **{name: name for name in COLUMNS},
                "request_id": "id",
                "created_at": "at",
                "user_id": {"constant": "u"},
                "content_type": {"constant": "chat"},
            },
        }
    )
)


def row(provider: str, model: str) -> Facts:
    cells = dict(zip(COLUMNS, (provider, model, str(INPUT), str(OUTPUT), str(READ)), strict=True))
    call = FILE.call(FILE.read({**cells, "id": "1", "at": AT.isoformat()}))
    return call.model_dump(exclude_unset=True, exclude={"request_id", "created_at", "user_id", "content_type"})


TELLINGS: dict[str, Telling] = {
    "a chat completion": response(CHAT),
    "an answer of the responses route": response(RESPONSES),
    "a message of Anthropic": response(MESSAGES),
    "a response of Gemini": gemini,
    "a span of the conventions": span(
        "opentelemetry",
        GENAI,
        OPERATION,
        {
            "gen_ai.usage.input_tokens": INPUT,
            "gen_ai.usage.output_tokens": OUTPUT,
            "gen_ai.usage.cache_read.input_tokens": READ,
        },
    ),
    "a span of openllmetry": span(
        "openllmetry",
        GENAI,
        {"llm.request.type": "chat"},
        {
            "gen_ai.usage.input_tokens": INPUT,
            "gen_ai.usage.output_tokens": OUTPUT,
            "gen_ai.usage.total_tokens": INPUT + OUTPUT,
            "gen_ai.usage.cache_read.input_tokens": READ,
        },
    ),
    "a span of OpenInference": span(
        "openinference",
        INFERENCE,
        {"openinference.span.kind": "LLM"},
        {
            "llm.token_count.prompt": INPUT,
            "llm.token_count.completion": OUTPUT,
            "llm.token_count.total": INPUT + OUTPUT,
            "llm.token_count.prompt_details.cache_read": READ,
        },
    ),
    "a span of pydantic-ai": span(
        "pydantic-ai",
        OLDER,
        OPERATION,
        {
            "gen_ai.usage.input_tokens": INPUT,
            "gen_ai.usage.output_tokens": OUTPUT,
            "gen_ai.usage.details.cache_read_tokens": READ,
        },
    ),
    "a row of a file": row,
}


def outcome(facts: Facts) -> Outcome:
    call = AICall.model_validate({**WHO, **facts})
    priced = PRICING.price(call, ServiceType.CHAT, AT)
    return tuple(priced.usage), priced.cost.cost, priced.cost.unpriced_reason


@pytest.fixture(scope="module")
def plainly() -> dict[tuple[str, str], Outcome]:
    return {(provider, model): outcome(plain(provider, model)) for provider, model in ALL_MODELS}


@pytest.mark.parametrize("telling", TELLINGS.values(), ids=TELLINGS)
def test_every_model_costs_the_same_however_its_call_is_told(
    telling: Telling, plainly: dict[tuple[str, str], Outcome]
) -> None:
    told = {(provider, model): outcome(telling(provider, model)) for provider, model in ALL_MODELS}

    assert told == plainly


def test_every_model_has_a_price_or_a_reason(plainly: dict[tuple[str, str], Outcome]) -> None:
    outcomes = list(plainly.values())

    assert [cost is None for _, cost, _ in outcomes] == [reason is not None for _, _, reason in outcomes]
    assert sum(cost is not None for _, cost, _ in outcomes) > 2_000
