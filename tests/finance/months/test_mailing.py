"""The report of the last month as an e-mail: once to each, on the first, through a real mail server."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from app.finance.months import mailing
from app.finance.months.mailing import MonthMails
from app.finance.months.printing.printer import Printer
from app.observability.troubles import Code, Troubles
from app.settings import Settings
from models.months import MAILS
from tests.alerts.inbox import Inbox, free_port, serving
from tests.finance.months.scene import OCTOBER, ZONE, Scene, scene, track

DUE = OCTOBER.window(ZONE).end + timedelta(hours=6)
BOTH = ("ann@shop.example", "bob@shop.example")


@pytest.fixture
async def house(mongodb_uri: str, tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(mongodb_uri, tmp_path) as found:
        await track(found.tracker)
        yield found


@pytest.fixture(autouse=True)
def printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """How a report is printed is tested elsewhere."""

    async def pdf(*_: Any) -> bytes:
        return b"%PDF-1.7 printed"

    monkeypatch.setattr(Printer, "pdf", pdf)


class Process:
    """One that may send."""

    def __init__(self, house: Scene, port: int, *to: str) -> None:
        server = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none", "month_report_to": to}
        settings = house.settings.model_copy(update={**server, "smtp_from": "twinmeter <reports@shop.example>"})
        self.troubles = Troubles(CollectorRegistry())
        self.mails = MonthMails(settings, house.database, house.months, Printer(), self.troubles, clock=house.clock)

    @property
    def trouble(self) -> str | None:
        return next((one.reason for one in self.troubles.current if one.code is Code.MONTH_REPORT), None)


async def test_each_address_gets_the_last_months_report_once(house: Scene) -> None:
    inbox, port = Inbox(), free_port()
    first, second = Process(house, port, *BOTH), Process(house, port, *BOTH)
    with serving(inbox, port):
        house.clock.now = DUE - timedelta(seconds=1)
        await first.mails.look()  # of September, of which there are no calls
        assert inbox.received == []
        house.clock.now = DUE
        for process in (first, second, first):
            await process.mails.look()

    assert [to for to, _ in inbox.received] == [[BOTH[0]], [BOTH[1]]]
    (_, message), (_, other) = inbox.received
    assert message["Subject"] == "[twinmeter] AI usage and cost, 2024-10: 0.0075 USD"
    assert message["Message-ID"].startswith("<month-2024-10.")
    assert message["Message-ID"] != other["Message-ID"]
    parts: Any = message.get_payload()
    text, document = parts
    assert b"Cost: 0.0075 USD, 0.0075 USD more than in the month before" in text.get_payload(decode=True)
    assert (document.get_filename(), document.get_content_type()) == ("twinmeter-2024-10.pdf", "application/pdf")
    assert document.get_payload(decode=True) == b"%PDF-1.7 printed"
    assert first.trouble is None


async def test_what_did_not_arrive_is_sent_again_also_after_a_restart(house: Scene) -> None:
    inbox, port = Inbox(), free_port()
    house.clock.now = DUE
    before = Process(house, port, BOTH[0])
    await before.mails.look()
    assert (
        before.trouble
        == "the report of 2024-10 has not arrived at 1 of 1 addresses: no connection to the server: SMTPConnectError"
    )
    await before.mails._lease.release()  # it is gone

    after = Process(house, port, BOTH[0])
    with serving(inbox, port):
        await after.mails.look()  # too early
        assert (inbox.received, after.trouble) == ([], before.trouble)
        house.clock.now = DUE + timedelta(minutes=2)
        await after.mails.look()
    assert len(inbox.received) == 1
    assert after.trouble is None


async def test_an_address_that_is_refused_is_given_up_and_told(house: Scene) -> None:
    inbox, port = Inbox(), free_port()
    house.clock.now = DUE
    process = Process(house, port, "x@nobody.example", BOTH[0])
    with serving(inbox, port):
        await process.mails.look()
        house.clock.now = DUE + timedelta(days=1)
        await process.mails.look()
    assert [to for to, _ in inbox.received] == [[BOTH[0]]]
    expected = "the report of 2024-10 has not arrived at 1 of 2 addresses: the server refused the address (550)"
    assert process.trouble == expected
    stored = {one["attempts"]: one async for one in house.database.writes[MAILS].find()}
    assert set(stored) == {1}


async def test_after_a_week_nobody_tries_again(house: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailing, "GIVEN_UP", timedelta(hours=1))
    process = Process(house, free_port(), BOTH[0])
    for hours in (0, 3, 6):
        house.clock.now = DUE + timedelta(hours=hours)
        await process.mails.look()
    (mail,) = await house.database.writes[MAILS].find().to_list(None)
    assert (mail["attempts"], mail["doneAt"]) == (2, datetime(2024, 11, 1, 8, tzinfo=UTC))
    assert process.trouble is not None


async def test_with_no_addresses_nothing_runs(house: Scene) -> None:
    await Process(house, 1).mails.run()
    assert await house.database.writes[MAILS].count_documents({}) == 0


@pytest.mark.parametrize("wrong", ["ann", "ann@", "a b@c.example", "ann@x.example,<b@c.example>", "a@b\n@c"])
def test_what_is_no_address_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(ValueError, match="must be e-mail addresses"):
        Settings(_env_file=None, month_report_to=wrong)
    assert Settings(_env_file=None, month_report_to="a@b.example, c@d.example,a@b.example").month_report_to == (
        "a@b.example",
        "c@d.example",
    )
