"""Alerts as e-mail, through a real server."""

from collections.abc import AsyncIterator

import pytest
from pydantic import ValidationError

from app.alerts.alerts import Alerts, made
from app.alerts.measures import Measures
from app.database import Database
from app.errors import InvalidRequestError
from app.settings import Settings
from models.alerts import AlertKind, DeliveryState, EndpointKind
from models.subjects import user_subject
from tests.alerts.inbox import Inbox, free_port, serving
from tests.alerts.scene import Clock, crossing, deliveries_of, sent


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
async def mailing(
    settings: Settings, database: Database, measures: Measures, clock: Clock, port: int
) -> AsyncIterator[Alerts]:
    server = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none"}
    more = {"smtp_from": "twinmeter <alerts@shop.example>", "public_url": "https://twinmeter.example"}
    own = settings.model_copy(update={**server, **more})
    async with made(own, database, measures, clock=clock) as alerts:
        yield alerts


async def _endpoint(alerts: Alerts, *addresses: str) -> None:
    await alerts.endpoints.create(kind=EndpointKind.EMAIL, name="mail", addresses=addresses, client=None, by="root")


async def test_each_address_gets_a_message_with_the_figures(mailing: Alerts, database: Database, port: int) -> None:
    inbox = Inbox()
    with serving(inbox, port):
        await _endpoint(mailing, "a@shop.example", "b@shop.example")
        await mailing.on_crossed([crossing(80, 8)])
        await sent(mailing)
    assert sorted(to for to, _ in inbox.received) == [["a@shop.example"], ["b@shop.example"]]
    message = next(message for to, message in inbox.received if to == ["a@shop.example"])
    assert message["From"] == "twinmeter <alerts@shop.example>"
    assert message["To"] == "a@shop.example"
    assert message["Subject"] == "[twinmeter] user u1 has used 80 % of 10 requests a day: 8 requests."
    (alert,) = {each.alert for each in await deliveries_of(database)}
    content = message.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert content.decode().replace("\r\n", "\n") == (
        "user u1 has used 80 % of 10 requests a day: 8 requests.\n"
        "\n"
        "Whose: user u1\n"
        "Used: 8 requests\n"
        "Allowance: 10 requests, hard\n"
        "Share: 80.0 %\n"
        "Period: 2026-11-30 00:00 UTC to 2026-12-01 00:00 UTC\n"
        "Look: https://twinmeter.example/admin/settings/alerts\n"
        "\n"
        f"Alert {alert}, 2026-11-30 12:00:00 UTC\n"
    )
    assert [each.state for each in await deliveries_of(database)] == [DeliveryState.DELIVERED] * 2


async def test_unusual_spending_has_the_links_of_its_own_alone(mailing: Alerts, port: int) -> None:
    inbox = Inbox()
    with serving(inbox, port):
        await _endpoint(mailing, "a@shop.example")
        await mailing.raise_(AlertKind.SPENDING_COST, "k", {"text": "dear", "lines": ["Look: elsewhere"]})
        await sent(mailing)
    ((_, message),) = inbox.received
    assert str(message.get_payload()).count("Look: ") == 1


async def test_a_server_that_is_away_is_tried_again_with_one_message_id(
    mailing: Alerts, database: Database, clock: Clock, port: int
) -> None:
    await _endpoint(mailing, "a@shop.example")
    await mailing.on_crossed([crossing(80, 8)])
    await sent(mailing)
    (away,) = await deliveries_of(database)
    assert (away.state, len(away.attempts), away.attempts[0].status) == (DeliveryState.PENDING, 1, None)
    assert (away.attempts[0].error or "").startswith("no connection to the server")
    inbox = Inbox()
    inbox.answer = "451 try again"
    with serving(inbox, port):
        clock.go_on(seconds=6)
        await sent(mailing)
        inbox.answer = "250 OK"
        clock.go_on(minutes=6)
        await sent(mailing)
    (there,) = await deliveries_of(database)
    assert (there.state, [each.status for each in there.attempts]) == (DeliveryState.DELIVERED, [None, 451, 250])
    assert [message["Message-ID"] for _, message in inbox.received] == [f"<{there.id}@shop.example>"] * 2


async def test_an_address_that_is_refused_takes_no_other_with_it(
    mailing: Alerts, database: Database, port: int
) -> None:
    inbox = Inbox()
    with serving(inbox, port):
        await _endpoint(mailing, "a@nobody.example", "b@shop.example")
        await mailing.on_crossed([crossing(80, 8)])
        await sent(mailing)
    refused, arrived = await deliveries_of(database)
    assert [each.error for each in refused.attempts] == ["the server refused the address (550)"]
    assert (refused.state, arrived.state) == (DeliveryState.PENDING, DeliveryState.DELIVERED)
    assert [to for to, _ in inbox.received] == [["b@shop.example"]]


async def test_names_with_line_ends_make_no_headers(mailing: Alerts, port: int) -> None:
    inbox = Inbox()
    name = "u1\r\nBcc: all@shop.example"
    with serving(inbox, port):
        await _endpoint(mailing, "a@shop.example")
        await mailing.on_crossed([crossing(80, 8, subject=user_subject(name))])
        await sent(mailing)
    ((_, message),) = inbox.received
    assert message["Bcc"] is None
    assert message["Subject"].startswith("[twinmeter] user u1  Bcc: all@shop.example has used")


async def test_without_a_server_there_are_no_endpoints_for_e_mail(alerts: Alerts) -> None:
    with pytest.raises(InvalidRequestError, match="TWINMETER_SMTP_HOST"):
        await _endpoint(alerts, "a@shop.example")


@pytest.mark.parametrize("sender", ["alerts@shop.example", "twinmeter <alerts@shop.example>"])
def test_who_sends_is_an_address(sender: str) -> None:
    assert Settings(_env_file=None, smtp_from=sender).smtp_from == sender


@pytest.mark.parametrize("sender", ["nobody", "a@b\r\nBcc: c@d", "<a@b"])
def test_what_is_none_is_refused(sender: str) -> None:
    with pytest.raises(ValidationError):
        Settings(_env_file=None, smtp_from=sender)
