"""What calls settle: reservations end with the call that names them, each once, and a call counts in any case."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from app.database import Database
from app.tracking import Tracker, TrackReceipt
from models.counters import RESERVATIONS, UNCOUNTED

CALL: dict[str, Any] = {"content_type": "chat", "model": "gpt-4o", "input_tokens": 10, "output_tokens": 1}


async def reserved(database: Database, **fields: Any) -> str:
    id_ = str(ObjectId())
    holds = [{"counter": "c", "amount": 1}]
    expires = datetime.now(UTC) + timedelta(minutes=1)
    mine = {"_id": id_, "userId": "u", "clientId": "c", "holds": holds, "state": "open", "expiresAt": expires}
    await database.writes[RESERVATIONS].insert_one(mine | fields)
    return id_


async def track(tracker: Tracker, reservation: str, user: str = "u", **fields: Any) -> TrackReceipt:
    receipt = await tracker.track(user_id=user, client_id="c", reservation_id=reservation, **CALL, **fields)
    assert receipt.status == "committed"
    return receipt


async def settled(database: Database) -> list[str]:
    """What limits are told."""
    return [id_ async for one in database.writes[UNCOUNTED].find() for id_ in one.get("settled", ())]


async def test_a_call_settles_its_reservation_with_its_commit(tracker: Tracker, database: Database) -> None:
    id_ = await reserved(database)
    receipt = await track(tracker, id_)
    assert receipt.reservation == "settled"
    stored = await database.writes[RESERVATIONS].find_one({"_id": id_})
    assert stored is not None
    assert (stored["state"], str(stored["entry"])) == ("settled", receipt.id)
    assert "endedAt" in stored
    assert await settled(database) == [id_]


async def test_a_reservation_is_settled_once(tracker: Tracker, database: Database) -> None:
    id_ = await reserved(database)
    at_once = await asyncio.gather(*(track(tracker, id_) for _ in range(3)))
    later = await track(tracker, id_)
    remarks = sorted(str(receipt.reservation) for receipt in [*at_once, later])
    assert remarks == ["already_settled"] * 3 + ["settled"]
    assert await settled(database) == [id_]
    assert await database.ledger.count_documents({"reservationId": id_}) == 4


async def test_a_repeated_report_settles_nothing_twice(tracker: Tracker, database: Database) -> None:
    first, second = await reserved(database), await reserved(database)
    assert (await track(tracker, first, request_id="r")).reservation == "settled"
    repeated = await tracker.track(user_id="u", client_id="c", reservation_id=second, request_id="r", **CALL)
    assert (repeated.status, repeated.reservation) == ("duplicate", None)
    again = await tracker.track(user_id="u", client_id="c", reservation_id=first, request_id="r", **CALL)
    assert (again.status, again.reservation) == ("duplicate", "settled")
    assert await settled(database) == [first]


async def test_what_ended_before_is_told_and_the_call_counts(tracker: Tracker, database: Database) -> None:
    told = {
        await reserved(database, state="released"): "released",
        await reserved(database, state="expired"): "expired",
        await reserved(database, ending="expired"): "expired",
        await reserved(database, userId="other"): "not_yours",
        await reserved(database, clientId="other"): "not_yours",
        str(ObjectId()): "unknown",
        "lease-of-somebody-1": "unknown",
        "unenforced-1": "unenforced",
        "unlimited-1": "settled",
    }
    receipts = await asyncio.gather(*(track(tracker, id_) for id_ in told))
    assert [receipt.reservation for receipt in receipts] == list(told.values())
    assert await settled(database) == []
    assert await database.writes[RESERVATIONS].count_documents({"state": "settled"}) == 0
    assert sum([len(one["groups"][0]["users"]) async for one in database.writes[UNCOUNTED].find()]) >= 1


async def test_synthetic_calls_settle_and_count_nothing(tracker: Tracker, database: Database) -> None:
    id_ = await reserved(database)
    assert (await track(tracker, id_, synthetic=True)).reservation == "settled"
    (told,) = await database.writes[UNCOUNTED].find().to_list(None)
    assert (told["groups"], told["settled"]) == ([], [id_])
