"""From a reported call to its two documents, whoever reports it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from app.errors import ConfigurationError
from app.ledger.features import Feature
from app.ledger.recording import Recorder
from app.ledger.twins import twin_id
from app.settings import Settings
from models import ServiceType
from models.call import AICall
from tests.pricing.test_costs import Book, override

NOW = datetime(2026, 10, 1, 12, 0, tzinfo=UTC)
ID = ObjectId("65f1f1f1f1f1f1f1f1f1f1f1")
CALL: dict[str, Any] = {"user_id": "u", "content_type": "cover-letter", "model": "gpt-4o"}
TOKENS = {"input_tokens": 1_000, "output_tokens": 500}


def recorder(*overrides: Any, **settings: Any) -> Recorder:
    return Recorder.of(Settings(_env_file=None, **settings), Book(*overrides))


def test_a_call_is_mapped_priced_and_told_twice() -> None:
    pair, cost = recorder().record(AICall(**CALL, **TOKENS), NOW)

    assert cost.cost == Decimal("0.0075")
    assert (pair.entry["_id"], pair.event["_id"]) == (pair.id, pair.id)
    assert (pair.entry["feature"], pair.event["properties"]["feature"]) == ("cover-letter", "cover-letter")
    assert str(pair.entry["cost"]) == str(pair.event["properties"]["cost"]) == "0.007500000000000"
    assert (pair.entry["createdAt"], pair.entry["recordedAt"]) == (NOW, NOW)


def test_the_price_is_that_of_the_time_of_the_call() -> None:
    until_yesterday = override({"input_mtok": 7}, model="gpt-4o", effective_to=NOW - timedelta(days=1))
    early = AICall(**CALL, input_tokens=1_000_000, created_at=NOW - timedelta(days=2))
    late = AICall(**CALL, input_tokens=1_000_000, created_at=NOW - timedelta(hours=1))

    costs = [recorder(until_yesterday).record(call, NOW).cost.cost for call in (early, late)]

    assert costs == [Decimal(7), Decimal("2.5")]


def test_nothing_of_a_person_is_in_either_document() -> None:
    said = {
        "ip_address": "203.0.113.77",
        "user_agent": "SECRET-agent",
        "error_message": "key sk-SECRET12345678 refused",
        "input_text": "SECRET-prompt",
        "output_text": "SECRET-answer",
    }

    pair, _ = recorder().record(AICall(**CALL, **said), NOW)

    assert "SECRET" not in repr(pair)
    assert "203.0.113" not in repr(pair)
    assert pair.entry["errorMessage"] == "key [redacted] refused"


def test_a_request_has_the_same_id_whoever_records_it() -> None:
    call = AICall(**CALL, request_id="r1", client_id="acme")

    assert recorder().record(call, NOW).pair.id == recorder().record(call, NOW).pair.id == twin_id("acme", "r1")
    assert recorder().record(AICall(**CALL), NOW).pair.id != recorder().record(AICall(**CALL), NOW).pair.id


def test_what_is_decided_already_stands() -> None:
    pair, _ = recorder().record(AICall(**CALL), NOW, entry_id=ID, feature=Feature("letters", ServiceType.CHAT))

    assert (pair.id, pair.entry["feature"], pair.entry["serviceType"]) == (ID, "letters", "chat")


@pytest.mark.parametrize("setting", ["features_file", "estimates_file"])
def test_a_file_that_cannot_be_used_is_named(setting: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=str(tmp_path / "none.toml")):
        recorder(**{setting: tmp_path / "none.toml"})
