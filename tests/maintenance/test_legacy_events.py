"""What an old event becomes: the entry of a live call, and no field of its own changed without need."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import bson
import pytest
from bson import Code, Decimal128, Int64, ObjectId
from bson.codec_options import CodecOptions
from bson.datetime_ms import DatetimeMS

from app.ledger.features import Features
from app.ledger.privacy import Privacy
from app.ledger.recording import Recorder
from app.maintenance.backfill.legacy_events import LegacyEvents
from app.maintenance.backfill.legacy_values import UnusableError
from app.pricing.costs import Pricing
from app.pricing.overrides import OverrideTable
from models import PriceOverride, UnitPrices
from models.call import AICall
from models.documents import Document

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
AT = datetime(2026, 10, 1, 9, 30, tzinfo=UTC)
ID = ObjectId("65f1f1f1f1f1f1f1f1f1f1f1")
OLD = {"contentType": "chat", "model": "gpt-4o", "provider": "openai", "cached": False}


class Book:
    """Overrides that nobody stored."""

    def __init__(self, *overrides: PriceOverride) -> None:
        self.table = OverrideTable(overrides)


def recorder(*overrides: PriceOverride) -> Recorder:
    return Recorder(Features(), Pricing.of(Book(*overrides)), Privacy())


LEGACY = LegacyEvents(recorder(), "default")


def event(properties: object = OLD, **fields: Any) -> Document:
    return {"_id": ID, "userId": "anna", "event": "ai_generation", "properties": properties, "createdAt": AT, **fields}


def twin(properties: object = OLD, **fields: Any) -> tuple[Document, Document]:
    return _twin(event(properties, **fields))


def _twin(old: Document, legacy: LegacyEvents = LEGACY) -> tuple[Document, Document]:
    """The entry, and what the event lacks. A second event of a kind gets what the first one got."""
    first, second = legacy.twin(old, NOW), legacy.twin(old, NOW)
    assert first[1:] == second[1:]
    return first.entry, bson.decode(first.lacks, CodecOptions(tz_aware=True))


def live(**reported: Any) -> tuple[Document, Document]:
    """The twins that the tracker would have written."""
    call = AICall(user_id="anna", created_at=AT, **reported)
    pair, _ = recorder().record(call, NOW, entry_id=ID)
    return pair.entry, pair.event


def completed(old: Document, lacks: Document) -> Document:
    """`old` after the `$set`."""
    done = {**old, "properties": dict(old.get("properties") or {})}
    for path, value in lacks.items():
        first, _, rest = path.partition(".")
        if rest:
            done[first][rest] = value
        else:
            done[first] = value
    return done


@pytest.mark.parametrize(
    ("properties", "reported"),
    [
        (OLD, {"content_type": "chat", "model": "gpt-4o", "provider": "openai"}),
        (
            {**OLD, "cached": True},
            {"content_type": "chat", "model": "gpt-4o", "provider": "openai", "cached": True},
        ),
        ({"contentType": "haiku", "model": "gpt-4o"}, {"content_type": "haiku", "model": "gpt-4o"}),
        (
            {"contentType": "image-generation", "model": "dall-e-3"},
            {"content_type": "image-generation", "model": "dall-e-3"},
        ),
        ({"contentType": "chat", "model": "secret-model"}, {"content_type": "chat", "model": "secret-model"}),
        (
            {"contentType": "chat", "model": "gpt-4o", "success": False},
            {"content_type": "chat", "model": "gpt-4o", "success": False},
        ),
        (
            {**OLD, "inputTokens": 1_000.0, "outputTokens": Int64(50)},
            {
                "content_type": "chat",
                "model": "gpt-4o",
                "provider": "openai",
                "input_tokens": 1_000,
                "output_tokens": 50,
            },
        ),
        ({**OLD, "tokens": 700}, {"content_type": "chat", "model": "gpt-4o", "provider": "openai", "tokens_used": 700}),
        (
            {**OLD, "tokens": {"input": 10, "output": 5, "total": 15}},
            {"content_type": "chat", "model": "gpt-4o", "provider": "openai", "input_tokens": 10, "output_tokens": 5},
        ),
        ({**OLD, "cost": 0.0125}, {"content_type": "chat", "model": "gpt-4o", "provider": "openai", "cost": "0.0125"}),
        (None, {"content_type": "unknown", "model": "unknown"}),
        ({}, {"content_type": "unknown", "model": "unknown"}),
    ],
)
def test_an_old_event_becomes_what_the_tracker_would_have_written(properties: object, reported: dict[str, Any]) -> None:
    entry, live_event = live(**reported)

    found, lacks = twin(properties)

    assert found == entry
    done = completed(event(properties), lacks)
    told = {name: value for name, value in done["properties"].items() if name in live_event["properties"]}
    assert {**done, "properties": told} == live_event


@pytest.mark.parametrize("user", [7, Int64(2**40), 1_099_511_627_776.0, ID])
def test_a_user_who_was_a_number_or_an_object_id_is_that_text(user: Any) -> None:
    entry, lacks = twin(userId=user)

    assert entry["userId"] == lacks["userId"] == (str(int(user)) if isinstance(user, float) else str(user))


@pytest.mark.parametrize("conversation", [ID, "65f1f1f1f1f1f1f1f1f1f1f1"])
def test_a_conversation_that_was_an_object_id_is_that_text(conversation: object) -> None:
    entry, _ = twin({**OLD, "conversationId": conversation})

    assert entry["conversationId"] == str(ID)


def test_what_is_said_twice_counts_under_its_first_name() -> None:
    """Not under whichever comes first in a set: a second run would find other figures."""
    said = {"promptTokens": 9, "inputTokens": 1, "tokens": {"prompt": 8, "input": 7, "output": 5}, "outputTokens": None}

    entry, _ = twin({**OLD, **said})

    assert (entry["inputTokens"], entry["outputTokens"]) == (1, 5)


def test_an_empty_text_says_nothing() -> None:
    entry, lacks = twin({**OLD, "cost": "", "size": "", "conversationId": ""})

    assert (entry["costSource"], lacks["properties.cost"]) == ("estimated", entry["cost"])
    assert "conversationId" not in entry


def test_what_nobody_said_is_estimated_and_marked() -> None:
    entry, _ = twin()

    assert (entry["costSource"], entry["inputTokens"], entry["outputTokens"]) == ("estimated", 1_155, 211)
    assert entry["cost"] == Decimal128("0.004997500000000")


def test_what_a_cached_answer_would_have_cost_is_found_although_its_event_says_zero() -> None:
    entry, lacks = twin({**OLD, "cached": True, "cost": 0})

    assert (entry["costSource"], entry["cost"].to_decimal()) == ("cached", Decimal(0))
    assert entry["savedCost"] == Decimal128("0.004997500000000")
    assert lacks["properties.cost"] == entry["cost"]


def test_an_event_of_today_lacks_nothing() -> None:
    _, live_event = live(content_type="chat", model="gpt-4o", provider="openai")

    entry, lacks = _twin(live_event)

    assert (entry["cost"], entry["costSource"], lacks) == (live_event["properties"]["cost"], "reported", {})


def test_what_an_event_says_stays_as_it_is() -> None:
    said = {**OLD, "provider": "OpenAI", "feature": "support", "prompt": "…", "cost": None}

    entry, lacks = twin(said, clientId="acme", synthetic=True, schemaVersion=0, clerkUserId="user_1")

    assert lacks == {"properties.cost": entry["cost"], "properties.success": True}
    assert (entry["feature"], entry["provider"], entry["clientId"], entry["synthetic"]) == (
        "support",
        "openai",
        "acme",
        True,
    )


def test_what_no_report_could_read_is_said_in_todays_form() -> None:
    user = ObjectId()
    text = "2026-10-01T11:30:00.1239+02:00"

    entry, lacks = twin({**OLD, "cached": 1, "cost": "0.5"}, userId=user, createdAt=text, synthetic=0)

    moment = AT.replace(microsecond=123_000)
    assert (entry["userId"], entry["createdAt"], entry["cached"]) == (str(user), moment, True)
    assert {name: lacks[name] for name in ("userId", "createdAt", "synthetic", "properties.cached")} == {
        "userId": str(user),
        "createdAt": moment,
        "synthetic": False,
        "properties.cached": True,
    }


def test_a_user_who_has_only_an_external_id_has_that() -> None:
    entry, lacks = twin(userId=None, clerkUserId="user_2x")

    assert (entry["userId"], lacks["userId"]) == ("user_2x", "user_2x")


def test_each_event_has_the_price_of_its_time() -> None:
    changed = AT + timedelta(days=1)
    override = PriceOverride.model_construct(
        id=ObjectId(),
        client_id=None,
        provider=None,
        model="gpt-4o",
        prices=UnitPrices(input_mtok=Decimal(1), output_mtok=Decimal(1)),
        effective_from=changed,
        effective_to=None,
    )
    legacy = LegacyEvents(recorder(override), "default")

    costs = [
        legacy.twin(event(createdAt=moment), NOW).entry["cost"].to_decimal()
        for moment in (AT, changed - timedelta(milliseconds=1), changed, AT)
    ]

    listed, overridden = Decimal("0.0049975"), Decimal("0.001366")
    assert costs == [listed, listed, overridden, listed]


@pytest.mark.parametrize(
    ("provider", "model", "moments"),
    [
        # dearer by day, and from one day on: what genai-prices and the media table say of them
        ("deepseek", "deepseek-chat", [datetime(2025, 7, 1, hour, tzinfo=UTC) for hour in (0, 1, 16, 17, 23)]),
        ("openai", "o3", [datetime(2025, 6, day, tzinfo=UTC) for day in (9, 10, 11)]),
    ],
)
def test_a_remembered_price_is_that_of_its_moment(provider: str, model: str, moments: list[datetime]) -> None:
    said = {**OLD, "provider": provider, "model": model}

    together = [LEGACY.twin(event(said, createdAt=moment), NOW).entry["cost"] for moment in moments]

    alone = [
        LegacyEvents(recorder(), "default").twin(event(said, createdAt=moment), NOW).entry["cost"] for moment in moments
    ]
    assert together == alone
    assert len({str(cost) for cost in alone}) == 2


@pytest.mark.parametrize(
    ("properties", "fields", "field", "reason"),
    [
        (OLD, {"_id": "abc"}, "_id", "is not an ObjectId but of type str"),
        (OLD, {"_id": None}, "_id", "is not an ObjectId but of type NoneType"),
        (OLD, {"userId": None}, "userId", "is missing"),
        (OLD, {"userId": ""}, "userId", "is missing"),
        (OLD, {"userId": ["anna"]}, "userId", "is not a string but a list"),
        (OLD, {"userId": True}, "userId", "is not a string but a boolean"),
        (OLD, {"userId": 1.5}, "userId", "is not a string but of type float"),
        (OLD, {"userId": 2.0**53}, "userId", "is not a string but of type float"),
        (OLD, {"userId": Code("anna")}, "userId", "is not a string but of type Code"),
        (OLD, {"userId": "a\nb"}, "userId", "has control characters or broken ones"),
        (OLD, {"userId": "a\udcff"}, "userId", "has control characters or broken ones"),
        (OLD, {"userId": "a" * 257}, "userId", "has more than 256 characters"),
        (OLD, {"clientId": "*"}, "clientId", "is *, which stands for all clients"),
        (OLD, {"clientId": {}}, "clientId", "is not a string but a document"),
        (OLD, {"synthetic": "yes"}, "synthetic", "is neither true nor false"),
        (OLD, {"createdAt": None}, "createdAt", "is missing"),
        (OLD, {"createdAt": 1_700_000_000}, "createdAt", "is not a date but of type int"),
        (OLD, {"createdAt": "yesterday"}, "createdAt", "is a string that is not a date"),
        (OLD, {"createdAt": "2026-10-01T09:30:00"}, "createdAt", "is a string without a time zone"),
        (OLD, {"createdAt": "0001-01-01T00:00:00+14:00"}, "createdAt", "is a string that is not a date"),
        (OLD, {"createdAt": DatetimeMS(2**60)}, "createdAt", "is not a date but of type DatetimeMS"),
        (OLD, {"createdAt": NOW + timedelta(hours=1)}, "createdAt", "is in the future"),
        (OLD, {"createdAt": datetime(1999, 1, 1, tzinfo=UTC)}, "createdAt", "is before 2000-01-01"),
        ("chat", {}, "properties", "is not a document"),
        ({**OLD, "contentType": ["chat"]}, {}, "properties.contentType", "is not a string but a list"),
        ({**OLD, "model": {"name": "gpt-4o"}}, {}, "properties.model", "is not a string but a document"),
        ({**OLD, "cached": "no"}, {}, "properties.cached", "is neither true nor false"),
        ({**OLD, "success": 2}, {}, "properties.success", "is neither true nor false"),
        ({**OLD, "cost": -1}, {}, "properties.cost", "Input should be greater than or equal to 0"),
        ({**OLD, "cost": float("nan")}, {}, "properties.cost", "Input should be a finite number"),
        ({**OLD, "cost": Decimal128("sNaN")}, {}, "properties.cost", "Input should be a finite number"),
        ({**OLD, "model": Code("gpt-4o")}, {}, "properties.model", "is not a string but of type Code"),
        ({**OLD, "tokens": 1.5}, {}, "properties.tokensUsed", "Input should be a valid integer"),
        ({**OLD, "inputTokens": True}, {}, "properties.inputTokens", "Input should be a valid integer"),
        (
            {**OLD, "inputTokens": 5, "cacheReadTokens": 9},
            {},
            "properties.cacheReadTokens",
            "cache_read_tokens cannot exceed input_tokens (5)",
        ),
    ],
)
def test_what_cannot_be_an_entry_says_why(properties: object, fields: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(UnusableError) as refused:
        twin(properties, **fields)

    assert (refused.value.field, refused.value.reason) == (field, reason)


def test_the_memory_of_kinds_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.maintenance.backfill.legacy_events.MEMORY", 10)
    legacy = LegacyEvents(recorder(), "default")

    for number in range(25):
        assert legacy.twin(event({**OLD, "model": f"model-{number}"}), NOW).entry["aiModel"] == f"model-{number}"

    assert len(legacy._kinds) <= 10


def test_many_clients_of_one_kind_are_remembered_as_few_shapes() -> None:
    legacy = LegacyEvents(recorder(), "default")

    found = [legacy.twin(event(clientId=client), NOW) for client in (*map(str, range(1_000)), *range(1_000))]

    assert len(found[-1].kind.known_lacks) <= 10
    assert all(bson.decode(one.lacks).get("clientId", one.entry["clientId"]) == one.entry["clientId"] for one in found)
