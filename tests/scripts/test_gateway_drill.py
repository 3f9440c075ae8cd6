"""The drill of the gateway, small; and that it finds what it is to find."""

import base64
import subprocess
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import Decimal128, ObjectId

from app.database import Database
from scripts.drill.gateway import canaries, checks, crowd, drill, memory
from scripts.drill.gateway.asking import Heard, Leave
from scripts.drill.gateway.crowd import Seen
from scripts.drill.gateway.drill import gateway
from scripts.drill.gateway.questions import Question
from tests.forked import Forked
from tests.patience import patience

WORD = "kanarie0123z"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few callers, processes that start soon, and short outages."""
    for module, name, value in (
        (drill, "STREAMS", 6),
        (drill, "USERS", 4),
        (drill, "LONGEST_LOAD", 0.5),
        (drill, "CALM_SECONDS", 0.2),
        (drill, "SETTLED_SECONDS", patience(drill.SETTLED_SECONDS)),
        (crowd, "SHORT_CALLERS", 1),
        (crowd, "LONG_WORDS", 20),
        (memory, "MANY", 2),
        (memory, "HARDLY_BYTES", 200_000),
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(subprocess, "Popen", Forked)


@pytest.mark.usefixtures("small")
async def test_a_gateway_in_all_kinds_of_trouble_loses_no_call_and_keeps_no_word(tmp_path: Path) -> None:
    result = await gateway(tmp_path, 2, lambda _: None, away=1, megabytes=10)

    assert result.faults == []
    figures = result.figures
    assert figures["kills"] == 2
    assert figures["streams open when it was killed, at least"] == 6
    assert figures["answers that were complete"] > 20
    assert figures["answers that ended with a kill"] >= 6
    assert figures["clients that left before the last byte"] > 0
    assert figures["answers that are kept, sealed"] > 0
    assert figures["answers that were complete while MongoDB was frozen, or away"] > 0


# --- what it is to find ---------------------------------------------------------------------------------------------

ASKED = Question(7, "chat", 3, "anna", "drain", canary=WORD)
WHOLE = b"data: " + b" ".join([ASKED.word.encode()] * 3) + b"\n\ndata: [DONE]\n\n"


def seen(question: Question = ASKED, *, blow: str = "", **heard: Any) -> Seen:
    came: dict[str, Any] = {"status": 200, "body": bytearray(WHOLE), "ended": True} | heard
    return Seen(question, Heard(**came), blow, 0.0)


async def recorded(database: Database, *, twin: bool = True, **more: Any) -> ObjectId:
    id_ = ObjectId()
    figures = {"inputTokens": 3, "outputTokens": 5, "status": "success", "conversationId": "q-7", "synthetic": False}
    at = {"userId": "anna", "clientId": "c", "createdAt": datetime(2026, 3, 1, tzinfo=UTC)}
    what = {"aiModel": "m", "provider": "p", "contentType": "chat", "cost": Decimal128("0"), "images": 0}
    await database.ledger.insert_one({"_id": id_, **figures, **at, **what, **more})
    if twin:
        await database.events.insert_one({"_id": id_})
    return id_


async def found(database: Database, monkeypatch: pytest.MonkeyPatch, *all_seen: Seen) -> list[str]:
    async def no_cells(*_: object) -> list[str]:
        return []

    monkeypatch.setattr(checks, "wrong_cells", no_cells)
    _, wrong = await checks.faults(database, all_seen, {}, ZoneInfo("UTC"))
    return [each.partition(":")[0] for each in wrong]


async def test_a_whole_answer_is_in_the_ledger_once_and_exactly(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await found(database, monkeypatch, seen()) == ["a whole answer that is not in the ledger"]
    id_ = await recorded(database)
    told = {"x-twinmeter-request-id": str(id_)}
    assert await found(database, monkeypatch, seen(headers=told)) == []
    other = {"x-twinmeter-request-id": str(ObjectId())}
    assert await found(database, monkeypatch, seen(headers=other)) == [
        "in the ledger by another id than its client was told"
    ]
    await database.ledger.update_one({}, {"$set": {"outputTokens": 4}})
    assert await found(database, monkeypatch, seen()) == ["a whole answer that is not exact in the ledger"]
    await recorded(database, twin=False)
    assert await found(database, monkeypatch, seen()) == [
        "in the ledger without a twin",
        "in the ledger more than once",
    ]
    assert await found(database, monkeypatch) == ["in the ledger without a twin", "in the ledger, and asked by nobody"]


async def test_an_end_that_is_false_is_found(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await recorded(database)
    broken = ASKED._replace(fault="rst=3", breaks=True)

    assert await found(database, monkeypatch, seen(broken)) == ["a whole answer of an upstream that broke off"]
    assert await found(database, monkeypatch, seen(broken, body=bytearray(b"data: x"), ended=False)) == [
        "broken off, and a success in the ledger"
    ]
    other = bytearray(WHOLE.replace(b"7x", b"8x", 1))
    assert await found(database, monkeypatch, seen(body=other)) == ["not the answer to what was asked"]


async def test_what_a_client_did_not_wait_for_is_exact_all_the_same(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = seen(ASKED._replace(leaves=Leave.FIRST_BYTE), body=bytearray(b"d"), ended=False, left=True)
    assert await found(database, monkeypatch, left) == ["answered by an upstream and not in the ledger"]
    assert await found(database, monkeypatch, left._replace(blow="a kill")) == []
    await recorded(database, outputTokens=2)
    assert await found(database, monkeypatch, left) == ["read to its end for nobody, and not exact"]
    given_up = left._replace(question=left.question._replace(key="cancel"))
    assert await found(database, monkeypatch, given_up) == []


async def test_what_the_gateway_refused_is_no_call(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = seen(status=429, headers={"x-twinmeter-error": "insufficient_quota"}, body=bytearray())

    assert await found(database, monkeypatch, refused) == []
    await recorded(database, status="error")
    assert await found(database, monkeypatch, refused) == ["refused by the gateway and in the ledger"]


@pytest.mark.parametrize(
    "content",
    [
        f"said {WORD}",
        *(base64.b64encode(f"{'-' * before}{WORD} and more".encode()).decode() for before in range(4)),
        WORD.encode().hex(),
    ],
)
def test_a_word_is_found_in_whatever_form(content: str, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "log").write_text(f"{{{content}}}")
    (tmp_path / "other").write_text("nothing")

    assert canaries.in_files(tmp_path, WORD) == ["below/log"]


async def test_a_word_is_found_in_any_field_packed_or_not(database: Database) -> None:
    plain, packed = {"a": [{"b": f"x{WORD}x"}]}, {"a": {"b": [zlib.compress(WORD.encode() * 3)]}}
    await database.writes["one"].insert_many([{"a": 1}, plain])
    await database.writes["two"].insert_one({WORD: 1})
    await database.writes["three"].insert_one(packed)
    await database.writes["four"].insert_one({"a": "nothing"})

    assert await canaries.in_documents(database, WORD) == ["one", "three", "two"]
