"""Responses as people of other systems reported them, each handed over as its owner would: the right price of each.

The file is described in `tests/data/README.md`. Where it expects no figure, a note below says what becomes of the row.
"""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.ledger.features import Features
from app.pricing.costs import PricedCall, Pricing
from app.pricing.estimates import Estimates
from app.pricing.media_prices import MediaPrices
from app.pricing.overrides import OverrideTable
from app.pricing.sellers import Sellers
from app.pricing.token_prices import TokenPrices
from app.usage.responses import reported_of, reported_of_stream
from models import CostSource
from models.call import AICall

FIELD = Path(__file__).parents[1] / "data" / "field" / "responses.jsonl"
ROWS = [json.loads(line) for line in FIELD.read_text(encoding="utf-8").splitlines()]
AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
"""The price lists that the file's figures were worked out from."""
PROVIDERS = {"track_openai_usage": "openai", "track_anthropic_usage": "anthropic", "track_gemini_usage": "google"}
COUNTS = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "cacheReadTokens": "cache_read_tokens",
    "cacheWriteTokens": "cache_write_tokens",
    "reasoningTokens": "reasoning_tokens",
    "outputImageTokens": "output_image_tokens",
}
UNPRICED = {
    "A04c-responses-image-tool": "usage_unreadable: tool_usage.image_gen.output_tokens: 7024, billed apart from the "
    "model's own tokens",
    "A16b-zero-parts-with-total": "usage_unreadable: total_tokens: is 1079, but input and output are 0 and 0",
}
"""Rows that need not have a figure, only no wrong one."""


class Book:
    table = OverrideTable(())


PRICING = Pricing(Sellers(TokenPrices(), MediaPrices()), Book(), Estimates())


def reported(row: dict[str, Any]) -> AICall:
    """As the helper of `app.tracking` reports it."""
    known = dict(row["how"]["in process"])
    provider = known.setdefault("provider", PROVIDERS[known.pop("helper")])
    read = reported_of_stream if isinstance(row["payload"], list) else reported_of
    return AICall(**{"user_id": "u", **read(row["payload"], provider, known.get("model")), **known})


def priced(call: AICall) -> PricedCall:
    return PRICING.price(call, Features().of(call.content_type).service_type, AT)


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_a_response_of_the_field_gives_the_tokens_and_the_cost_that_are_right(row: dict[str, Any]) -> None:
    call, expected = reported(row), row["expected"]
    found = priced(call)

    counts = {name: getattr(found.usage, field) for name, field in COUNTS.items() if name in expected}
    assert counts == {name: expected[name] for name in counts}
    if "audioSeconds" in expected:
        assert call.audio_seconds == Decimal(expected["audioSeconds"])
    if (reason := UNPRICED.get(row["id"])) is not None:
        assert (found.cost.cost, found.cost.unpriced_reason) == (None, reason)
    elif "cost" in expected:
        assert found.cost.cost == Decimal(expected["cost"])


def test_every_row_of_the_file_is_tried() -> None:
    assert len(ROWS) == 24


@pytest.mark.parametrize("row", [row for row in ROWS if row["id"].startswith("A05")], ids=lambda row: row["id"])
def test_a_stated_cost_is_reported_with_what_states_it(row: dict[str, Any]) -> None:
    call = reported(row)
    bases = {
        "A05-openrouter-cost-stated": "usage.cost",
        "A05b-openrouter-byok": "usage.cost + cost_details.upstream_inference_cost",
        "A05c-perplexity-cost-stated": "usage.cost.total_cost",
    }
    assert (priced(call).cost.source, call.cost_basis) == (CostSource.REPORTED, bases[row["id"]])


@pytest.mark.parametrize("row", [row for row in ROWS if row["id"].startswith("A16")][-2:], ids=lambda row: row["id"])
def test_a_finished_batch_is_one_entry_marked_as_the_sum_of_its_requests(row: dict[str, Any]) -> None:
    call = reported(row)
    completed = row["payload"]["request_counts"]["completed"]
    assert (call.batch, call.aggregated, call.aggregated_requests) == (True, True, completed)
