"""Spans as their owners sent them, with what they cost: see tests/data/README.md."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from app.otlp.calls import calls_of
from app.otlp.messages import parse
from app.pricing.costs import Pricing
from app.pricing.overrides import OverrideTable
from models import ServiceType
from models.call import AICall

ROWS = [json.loads(line) for line in (Path(__file__).parents[1] / "data/field/spans.jsonl").read_text().splitlines()]


class NoOverrides:
    table = OverrideTable([])


PRICING = Pricing.of(NoOverrides())


class Priced(NamedTuple):
    call: AICall
    cost: Decimal | None
    unpriced_reason: str | None


def priced(payload: Any) -> list[Priced]:
    export = calls_of(parse(json.dumps(payload).encode(), as_json=True))
    assert export.faults == []
    calls = [AICall.model_validate(call.fields) for call in export.calls]
    costs = [
        PRICING.price(call, call.service_type or ServiceType.CHAT, call.created_at or datetime.now(UTC)).cost
        for call in calls
    ]
    return [Priced(call, cost.cost, cost.unpriced_reason) for call, cost in zip(calls, costs, strict=True)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_span_of_the_field_is_read_as_it_was_meant(row: dict[str, Any]) -> None:
    calls = priced(row["payload"])
    expected = row["expected"]
    assert len(calls) == expected["calls"]
    told = calls[0].call.model_dump(by_alias=True)
    names = expected.keys() - {"calls", "cost"}
    assert {name: told[name] for name in names} == {name: expected[name] for name in names}
    assert calls[0].cost == Decimal(expected["cost"].split()[0])
