"""Messages arrive at least once, under one id, whatever an endpoint does."""

import asyncio
import json
from datetime import timedelta

import pytest

from app.alerts.alerts import Alerts, made
from app.alerts.measures import Measures
from app.alerts.outbox import AT_ONCE, CLAIM_SECONDS
from app.alerts.schedule import JITTER, MOST_TRIES, PAUSES
from app.database import Database
from app.errors import ConflictError
from app.observability.metrics import Counters
from app.observability.troubles import Code, Troubles
from app.settings import Settings
from models.alerts import DELIVERIES, AlertKind, DeliveryState, EndpointState
from tests.alerts.receiver import HANGS, Receiver, receiving
from tests.alerts.scene import NOON, Clock, crossing, deliveries_of, delivery_of, sent, webhook
from tests.patience import until


async def test_500_for_a_day_is_tried_by_the_schedule_and_a_resend_begins_anew(
    alerts: Alerts, database: Database, clock: Clock
) -> None:
    async with receiving(500) as receiver:
        await webhook(alerts, receiver.url)
        await alerts.on_crossed([crossing(80, 8)])
        for pause in PAUSES:
            await sent(alerts)
            due = (await delivery_of(database)).due_at - clock()
            assert pause <= due <= pause * (1 + JITTER)
            await sent(alerts)  # not due: nothing is sent
            clock.at += due
        await sent(alerts)
        delivery = await delivery_of(database)
        assert (delivery.state, delivery.tries, len(receiver.received)) == (DeliveryState.FAILED, 10, MOST_TRIES)
        assert {(each.status, each.error) for each in delivery.attempts} == {(500, "answered 500")}
        assert len({each.headers["webhook-id"] for each in receiver.received}) == 1
        assert len({each.headers["webhook-timestamp"] for each in receiver.received}) == MOST_TRIES
        clock.go_on(days=30)
        await sent(alerts)
        assert len(receiver.received) == MOST_TRIES

        receiver.statuses = [503, 200]
        await alerts.resend(delivery.id, None)
        await sent(alerts)
        again = await delivery_of(database)
        assert (again.state, again.tries) == (DeliveryState.PENDING, 1)
        clock.go_on(seconds=6)
        await sent(alerts)
        assert (await delivery_of(database)).state is DeliveryState.DELIVERED
        assert len((await delivery_of(database)).attempts) == MOST_TRIES + 2


async def test_the_schedule_is_that_of_the_specification() -> None:
    minutes = [pause / timedelta(minutes=1) for pause in PAUSES]
    assert minutes == [5 / 60, 5, 30, 120, 300, 600, 840, 1_200, 1_440]


async def test_410_switches_the_endpoint_off_and_stops_what_waits_for_it(
    alerts: Alerts, database: Database, measures: Measures, troubles: Troubles, clock: Clock
) -> None:
    async with receiving(500, 410) as receiver:
        endpoint, _ = await webhook(alerts, receiver.url)
        await alerts.on_crossed([crossing(80, 8)])
        await sent(alerts)
        await alerts.on_crossed([crossing(90, 9)])
        await sent(alerts)
        states = [each.state for each in await deliveries_of(database)]
        assert states == [DeliveryState.STOPPED, DeliveryState.STOPPED]
        assert (await alerts.endpoints.one(endpoint.id, None)).state is EndpointState.GONE
        clock.go_on(days=1)
        await alerts.on_crossed([crossing(100, 10)])
        await sent(alerts)
        assert len(receiver.received) == 2

        await measures.look()
        assert [(each.code, each.count) for each in troubles.current] == [(Code.ENDPOINTS, 1)]
        stopped = (await deliveries_of(database))[0]
        with pytest.raises(ConflictError, match="is off"):
            await alerts.resend(stopped.id, None)
        await alerts.endpoints.change(endpoint.id, None, on=True)
        receiver.statuses = [200]
        await alerts.resend(stopped.id, None)
        await sent(alerts)
        assert len(receiver.received) == 3
        await measures.look()
        assert troubles.current == []


async def test_one_that_hangs_delays_no_other(
    alerts: Alerts, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving(HANGS) as hanging, receiving() as other:
        await webhook(alerts, hanging.url)
        await webhook(alerts, other.url)
        many = [crossing(80, 8, subject=f"user:{number}", user_id=str(number)) for number in range(3 * AT_ONCE)]
        await alerts.on_crossed(many)
        running = asyncio.create_task(alerts.outbox.run())
        delivered = {"state": DeliveryState.DELIVERED.value}

        async def noted() -> bool:
            return await database.reads[DELIVERIES].count_documents(delivered) == 3 * AT_ONCE

        await until(noted)
        await until(lambda: len(hanging.received) == AT_ONCE)
        assert len(other.received) == 3 * AT_ONCE
        running.cancel()
        await asyncio.wait({running})
        assert len(hanging.received) == AT_ONCE  # those have their share, and wait
    # what was on the way is due at once: a server that starts again does not wait for the claims to end
    due = [each.due_at for each in await deliveries_of(database) if each.state is DeliveryState.PENDING]
    assert due == [NOON] * (3 * AT_ONCE)
    monkeypatch.setattr("app.alerts.outbox.ATTEMPT_SECONDS", 0.01)
    async with receiving(HANGS) as hanging:
        await sent(alerts)
    errors = {each.error for one in await deliveries_of(database) for each in one.attempts if each.error}
    assert errors <= {"no answer within 0 s", "no connection"}


async def test_a_2xx_that_comes_too_late_is_none(
    alerts: Alerts, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.alerts.outbox.ATTEMPT_SECONDS", 0.01)
    async with receiving(HANGS, 200) as receiver:
        await webhook(alerts, receiver.url)
        await alerts.on_crossed([crossing(80, 8)])
        await sent(alerts)
    (attempt,) = (await delivery_of(database)).attempts
    assert (attempt.status, attempt.error) == (None, "no answer within 0 s")


async def test_what_a_killed_process_had_claimed_is_sent_by_another_one(
    alerts: Alerts, settings: Settings, database: Database, clock: Clock
) -> None:
    async with receiving() as receiver:
        endpoint, _ = await webhook(alerts, receiver.url)
        await alerts.on_crossed([crossing(80, 8)])
        assert await alerts.outbox._claimed(endpoint.id) is not None  # and is killed before it sends
        own = settings.model_copy(update={"webhooks_to_private_addresses": ("127.0.0.1",)})
        async with made(own, database, Measures(database, Counters(), Troubles()), clock=clock) as other:
            await sent(other)
            assert receiver.received == []  # the claim holds
            clock.go_on(seconds=CLAIM_SECONDS)
            await sent(other)
        assert len(receiver.received) == 1
    delivery = await delivery_of(database)
    assert (delivery.state, delivery.tries) == (DeliveryState.DELIVERED, 1)


async def test_processes_that_look_at_once_send_each_message_once(
    settings: Settings, database: Database, clock: Clock
) -> None:
    own = settings.model_copy(update={"webhooks_to_private_addresses": ("127.0.0.1",)})
    async with (
        receiving() as receiver,
        made(own, database, Measures(database, Counters(), Troubles()), clock=clock) as first,
        made(own, database, Measures(database, Counters(), Troubles()), clock=clock) as second,
    ):
        await webhook(first, receiver.url)
        many = [crossing(80, 8, subject=f"user:{number}", user_id=str(number)) for number in range(20)]
        await first.on_crossed(many)
        while await database.reads[DELIVERIES].count_documents({"state": "pending"}):
            await asyncio.gather(sent(first), sent(second))
        ids = [each.headers["webhook-id"] for each in receiver.received]
        assert (len(ids), len(set(ids))) == (20, 20)


async def test_what_arrived_stays_arrived_though_its_claim_had_ended(
    alerts: Alerts, database: Database, clock: Clock
) -> None:
    """Another process has claimed it meanwhile, and fails: the message is not sent a third time."""
    async with receiving() as receiver:
        endpoint, _ = await webhook(alerts, receiver.url)
        await alerts.on_crossed([crossing(80, 8)])
        slow = await alerts.outbox._claimed(endpoint.id)
        clock.go_on(seconds=CLAIM_SECONDS)
        late = await alerts.outbox._claimed(endpoint.id)
        assert slow is not None
        assert late is not None
        await alerts.outbox._send(slow)
        receiver.statuses = [500]
        await alerts.outbox._send(late)
        clock.go_on(days=2)
        await sent(alerts)
        assert len(receiver.received) == 2
    assert (await delivery_of(database)).state is DeliveryState.DELIVERED


async def test_a_look_at_what_waits_reads_a_key_for_each_endpoint(alerts: Alerts, database: Database) -> None:
    """Thousands that wait for an endpoint which is away slow down nobody else."""
    for _ in range(3):
        await webhook(alerts, "https://127.0.0.1:9/")
    many = [crossing(80, 8, subject=f"user:{number}", user_id=str(number)) for number in range(100)]
    await alerts.on_crossed(many)
    level = {"profile": 2, "filter": {"ns": f"{database.writes.name}.{DELIVERIES}", "command.pipeline": {"$exists": 1}}}
    await database.writes.command(level)
    try:
        assert len(await alerts.outbox._waiting()) == 3
    finally:
        await database.writes.command({"profile": 0})
    profiled = await database.writes["system.profile"].find_one()
    assert profiled is not None
    assert profiled["keysExamined"] <= 4
    await database.writes["system.profile"].drop()


async def test_an_endpoint_that_is_switched_off_is_sent_nothing_more(alerts: Alerts, database: Database) -> None:
    async with receiving() as receiver:
        endpoint, _ = await webhook(alerts, receiver.url)
        await alerts.on_crossed([crossing(80, 8)])
        await alerts.endpoints.change(endpoint.id, None, on=False)
        await sent(alerts)
        assert receiver.received == []
    assert (await delivery_of(database)).state is DeliveryState.STOPPED


async def test_a_test_message_goes_to_its_endpoint_alone(alerts: Alerts, database: Database) -> None:
    async with receiving() as receiver, receiving() as other:
        endpoint, _ = await webhook(alerts, receiver.url, kinds=[AlertKind.LIMIT_REACHED])
        await webhook(alerts, other.url)
        (message,) = await alerts.test(endpoint, "root")
        await sent(alerts)
        assert (len(receiver.received), other.received) == (1, [])
    assert (await delivery_of(database)).id == message.id
    assert json.loads(receiver.received[0].body)["data"]["text"] == "This is a test of the endpoint hook."


async def test_metrics_say_what_waits(alerts: Alerts, measures: Measures, counters: Counters) -> None:
    receiver = Receiver(port=9)
    await webhook(alerts, receiver.url)
    await alerts.on_crossed([crossing(80, 8)])
    await sent(alerts)
    await measures.look()
    said = counters.exposition()
    assert b'twinmeter_deliveries{state="pending"} 1.0' in said
    assert b'twinmeter_delivery_attempts_total{channel="webhook",outcome="failed"} 1.0' in said
