"""Receipts are written without a model, and are what the model describes."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.http.serialization import encode
from app.tracking import Fault, ReceiptStatus, TrackReceipt
from models import CostSource
from routes.receipts import batch_answer, receipt_answer
from routes.schemas import BatchBody, FaultBody, ReceiptBody

AMOUNTS = st.none() | st.decimals(0, 10**9, places=15) | st.sampled_from([Decimal("3E-7"), Decimal("1E+3"), Decimal(0)])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
RECEIPTS = st.builds(
    TrackReceipt,
    status=st.sampled_from(ReceiptStatus),
    id=st.none() | st.just("0" * 24),
    feature=st.none() | TEXTS,
    cost=AMOUNTS,
    saved_cost=AMOUNTS,
    cost_source=st.none() | st.sampled_from(CostSource),
    conflicting=st.booleans(),
    errors=st.lists(st.builds(Fault, st.sampled_from(["", "user_id", "metadata.a"]), TEXTS), max_size=3).map(tuple),
    unpriced_reason=st.none() | TEXTS,
    reservation=st.none() | st.sampled_from(["settled", "not_yours"]),
)


def modelled(receipt: TrackReceipt) -> ReceiptBody:
    names = {"user_id": "userId"}
    faults = [FaultBody(field=names.get(field, field), message=message) for field, message in receipt.errors]
    return ReceiptBody.model_validate({**receipt._asdict(), "errors": faults})


def told(body: ReceiptBody | BatchBody) -> bytes:
    """As JSON. Of a call that names no reservation none is told."""
    return encode(body).replace(b',"reservation":null', b"")


@given(RECEIPTS)
def test_a_receipt_is_what_its_model_says(receipt: TrackReceipt) -> None:
    assert receipt_answer(receipt) == told(modelled(receipt))


@given(st.lists(RECEIPTS, max_size=5))
async def test_those_of_a_batch_likewise(receipts: list[TrackReceipt]) -> None:
    statuses = [receipt.status.value for receipt in receipts]
    summary = {status: statuses.count(status) for status in dict.fromkeys(statuses)}
    body = BatchBody(summary=summary, receipts=[modelled(receipt) for receipt in receipts])

    assert await batch_answer(receipts) == told(body)


def test_money_is_exact_and_has_no_exponent() -> None:
    receipt = TrackReceipt(
        ReceiptStatus.COMMITTED, cost=Decimal("3E-7"), saved_cost=Decimal("123456789.000000000000001")
    )

    answer: dict[str, Any] = json.loads(receipt_answer(receipt), parse_float=str)

    assert (answer["cost"], answer["savedCost"]) == ("0.0000003", "123456789.000000000000001")
