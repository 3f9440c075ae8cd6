"""What webhooks and Slack are sent, and where nothing is ever sent."""

import json
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from app.alerts.alerts import Alerts, made
from app.alerts.measures import Measures
from app.database import Database
from app.settings import Settings
from models.alerts import ALERTS, DeliveryState, EndpointKind
from tests.alerts.receiver import receiving
from tests.alerts.scene import NOON, Clock, crossing, delivery_of, sent, webhook


async def test_a_message_is_signed_as_standard_webhooks_says(
    alerts: Alerts, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as receiver:
        _, secret = await webhook(alerts, receiver.url)
        await alerts.on_crossed([crossing(80, 8)])
        await sent(alerts)
    (received,) = receiver.received
    (alert,) = [each async for each in database.reads[ALERTS].find()]
    assert received.headers["webhook-id"] == alert["_id"]
    assert received.headers["webhook-timestamp"] == str(int(NOON.timestamp()))
    assert received.headers["content-type"] == "application/json"
    assert received.body.decode() == alert["body"]
    monkeypatch.setattr("standardwebhooks.webhooks.datetime", _Standing(clock))
    assert Webhook(secret).verify(received.body, received.headers)["type"] == "limit.warning"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(received.body + b" ", received.headers)
    delivery = await delivery_of(database)
    assert (delivery.state, delivery.delivered_at, delivery.tries) == (DeliveryState.DELIVERED, NOON, 1)
    assert [(each.status, each.error) for each in delivery.attempts] == [(204, None)]


class _Standing:
    """The package's clock, standing where ours does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self, tz: Any) -> Any:
        return self._clock().astimezone(tz)

    def fromtimestamp(self, stamp: float, tz: Any) -> Any:
        return type(self._clock()).fromtimestamp(stamp, tz)


async def test_after_a_rotation_both_secrets_sign_for_a_day(
    alerts: Alerts, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("standardwebhooks.webhooks.datetime", _Standing(clock))

    def verifies(secret: str, number: int) -> bool:
        try:
            Webhook(secret).verify(receiver.received[number].body, receiver.received[number].headers)
        except WebhookVerificationError:
            return False
        return True

    async with receiving() as receiver:
        endpoint, first = await webhook(alerts, receiver.url)
        _, second = await alerts.endpoints.rotate(endpoint.id, None)
        await alerts.on_crossed([crossing(80, 8)])
        await sent(alerts)
        assert (verifies(first, 0), verifies(second, 0)) == (True, True)
        clock.go_on(days=1)
        await alerts.on_crossed([crossing(90, 9)])
        await sent(alerts)
        assert (verifies(first, 1), verifies(second, 1)) == (False, True)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(status: int, alerts: Alerts, database: Database) -> None:
    async with receiving() as target, receiving(status) as receiver:
        receiver.more = f"Location: {target.url}\r\n"
        await webhook(alerts, receiver.url)
        await alerts.on_crossed([crossing(80, 8)])
        await sent(alerts)
        assert target.received == []
    (attempt,) = (await delivery_of(database)).attempts
    assert (attempt.status, attempt.error) == (status, f"answered {status}: redirects are not followed")


async def test_a_private_address_is_refused_when_the_message_is_sent(
    settings: Settings, database: Database, measures: Measures, clock: Clock
) -> None:
    """The name is checked whenever it is connected to: what it stood for before does not matter."""
    answers = [["8.8.8.8"], ["127.0.0.1"]]

    async def names(host: str, port: int) -> list[str]:  # noqa: ARG001 - as a resolver is called
        return answers.pop(0) if len(answers) == 1 else answers.pop()

    async with receiving() as receiver, made(settings, database, measures, clock=clock, resolver=names) as alerts:
        await webhook(alerts, f"https://hooks.example:{receiver.port}/hook")
        await alerts.on_crossed([crossing(80, 8)])
        await sent(alerts)
        assert receiver.received == []
    delivery = await delivery_of(database)
    assert delivery.state is DeliveryState.PENDING
    assert [each.error for each in delivery.attempts] == ["hooks.example is a private address, which is not allowed"]


async def test_slack_is_sent_text_and_blocks_and_no_signature(alerts: Alerts) -> None:
    async with receiving() as receiver:
        await alerts.endpoints.create(kind=EndpointKind.SLACK, name="s", url=receiver.url, client=None, by="root")
        await alerts.on_crossed([crossing(80, 8)])
        await sent(alerts)
    (received,) = receiver.received
    assert "webhook-signature" not in received.headers
    body = json.loads(received.body)
    assert body["text"] == "user u1 has used 80 % of 10 requests a day: 8 requests."
    assert len(body["blocks"]) == 2


async def test_another_signing_secret_is_said_and_not_hidden(
    alerts: Alerts, settings: Settings, database: Database, measures: Measures, clock: Clock
) -> None:
    async with receiving() as receiver:
        await webhook(alerts, receiver.url)
        await alerts.on_crossed([crossing(80, 8)])
        other = settings.model_copy(update={"jwt_secret": type(settings.jwt_secret)("x" * 32)})  # type: ignore[misc]
        other.__dict__.pop("signing_secret", None)
        async with made(other, database, measures, clock=clock) as changed:
            await sent(changed)
        assert receiver.received == []
    (attempt,) = (await delivery_of(database)).attempts
    assert "TWINMETER_JWT_SECRET" in (attempt.error or "")
