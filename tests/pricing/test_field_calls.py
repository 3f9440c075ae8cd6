"""Calls as people report them, each with its right value."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from models.call import AICall
from tests.pricing.test_costs import price

ROWS = [json.loads(line) for line in (Path(__file__).parent.parent / "data/field/calls.jsonl").read_text().splitlines()]
NOVEMBER = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_call_as_it_is_reported_has_its_right_cost(row: dict[str, Any]) -> None:
    reported = AICall.model_validate(row["payload"]).model_dump(exclude_unset=True)

    cost = price(at=NOVEMBER, **reported).cost

    assert (cost.cost, cost.source) == (Decimal(row["expected"]["cost"]), "priced")
