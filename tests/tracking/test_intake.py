"""Requests with many calls: what is kept for them before they are read, and whose turn it is to be decoded."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from app.errors import OverloadedError
from app.tracking.intake import Intake, Kind, Place
from tests.tracking.simulated import Simulated, simulated
from tests.tracking.virtual_time import in_virtual_time

FLOOD = Kind("flood", "batch")
BODY = 500_000
"""Bytes, of which 500 calls are expected."""


def intake_of(it: Simulated) -> Intake:
    return Intake(it.writer.admission, asyncio.get_running_loop())


def test_many_requests_at_once_are_not_all_admitted_to_the_same_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.tracking.admission.MAX_QUEUED", 10_000)

    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            intake, read, end = intake_of(it), list[Place](), asyncio.Event()

            async def request() -> None:
                with intake.place(FLOOD, BODY, 10) as place:
                    read.append(place)
                    await end.wait()

            requests = [asyncio.create_task(request()) for _ in range(64)]
            await asyncio.sleep(0)
            assert len(read) == 16  # 8,000 calls: four fifths of all room
            assert it.counters.refused._value.get() == 48 * 500
            with intake.place(Kind("another", "batch"), BODY, 10):
                assert it.writer.admission.room == 1_500
            end.set()
            told = await asyncio.gather(*requests, return_exceptions=True)
            assert sum(isinstance(each, OverloadedError) for each in told) == 48
            assert it.writer.admission.room == 10_000

    in_virtual_time(scenario())


def test_one_body_of_a_sender_is_decoded_at_a_time_and_another_sender_does_not_wait(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            intake, decoded = intake_of(it), list[str]()

            async def request(sender: str, number: int) -> None:
                with intake.place(Kind(sender, "batch"), BODY, 10) as place:
                    await place.turn()
                    place.has(1)
                    await asyncio.sleep(1)
                    decoded.append(f"{sender} {number}")
                    place.leave()
                    await asyncio.sleep(100)  # for the commit: the next one does not wait for that

            requests = [asyncio.create_task(request("flood", number)) for number in range(3)]
            requests.append(asyncio.create_task(request("another", 0)))
            await asyncio.sleep(1.5)
            assert decoded == ["flood 0", "another 0"]
            await asyncio.sleep(2)
            assert decoded == ["flood 0", "another 0", "flood 1", "flood 2"]
            await asyncio.gather(*requests)

    in_virtual_time(scenario())


def test_who_waits_for_a_turn_until_the_deadline_is_refused_and_keeps_no_room(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            intake, loop = intake_of(it), asyncio.get_running_loop()
            with intake.place(FLOOD, BODY, 10) as first:
                await first.turn()
                since = loop.time()
                with pytest.raises(OverloadedError), intake.place(FLOOD, BODY, 3) as second:
                    await second.turn()
                assert loop.time() - since == pytest.approx(2.4)  # a fifth is for the disk
                assert it.writer.admission.room == 50_000 - 500
            with intake.place(FLOOD, BODY, 3) as third:
                await third.turn()

    in_virtual_time(scenario())


def test_a_sender_waits_from_when_the_body_has_come_however_slow_the_line_is(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            with intake_of(it).place(FLOOD, BODY, 10) as place:
                await asyncio.sleep(30)
                await place.turn()
                assert place.seconds == 10
                await asyncio.sleep(3)
                assert place.seconds == 7
                await asyncio.sleep(20)  # its calls were read, on a busy machine
                assert place.seconds == 0.25

    in_virtual_time(scenario())


def test_what_is_expected_of_a_body_is_what_the_last_ones_of_its_kind_had(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            intake, admission = intake_of(it), it.writer.admission
            with intake.place(FLOOD, 30_000, 10) as place:
                assert admission.room == 50_000 - 30
                place.has(100)
                assert admission.room == 50_000 - 100
            with intake.place(FLOOD, 60_000, 10):
                assert admission.room == 50_000 - 200
            with intake.place(FLOOD, 600_000, 10, most=1_000):
                assert admission.room == 50_000 - 1_000
            with intake.place(FLOOD, None, 10):
                assert admission.room == 50_000 - 1

    in_virtual_time(scenario())


def test_room_that_was_admitted_is_given_back_whatever_becomes_of_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.tracking.admission.MAX_QUEUED", 100)

    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            admission = it.writer.admission
            with contextlib.suppress(ZeroDivisionError), intake_of(it).place(Kind("s", "batch"), 60_000, 10) as place:
                place.enters()
                with pytest.raises(OverloadedError):
                    admission.admit("another", 60, 10)
                raise ZeroDivisionError
            admission.admit("another", 60, 10)
            assert admission.room == 100

    in_virtual_time(scenario())


def test_who_comes_again_has_more_of_the_room_and_whoever_comes_meanwhile_has_less(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with simulated(tmp_path) as it:
            intake, stack = intake_of(it), contextlib.ExitStack()

            def comes(calls: int) -> None:
                stack.enter_context(intake.place(FLOOD, 1_000 * calls, 10))

            comes(500)
            intake._lines["flood"].each = 0.004  # seconds: 675 calls are 30 % of the time, 1,350 are 60, 2,025 are 90
            comes(500)
            with pytest.raises(OverloadedError) as refused:
                comes(600)
            assert 1 <= refused.value.retry_after <= 3
            with pytest.raises(OverloadedError) as later:
                comes(200)
            assert later.value.retry_after > 2.4  # the time of the 600 before them
            comes(600)
            stack.close()
            comes(500)
            with pytest.raises(OverloadedError):
                comes(300)
            await asyncio.sleep(61)  # those who were told have not come
            comes(300)
            stack.close()

    in_virtual_time(scenario())
