"""Asking a real server: what is held and used afterwards is what its ledger and its counters say, to the last digit."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from client.tests.conftest import MakeClient
from client.tests.ledger import entries
from client.tests.providers import Provider, answers, upstream
from client.tests.sdks import openai
from client.tests.test_servers import GUNICORN, UVICORN, serving
from client.tests.wrapped import ASKED
from tests.patience import POLL_SECONDS, patience, until
from tests.real_clients.conftest import Account, Deployment

import twinmeter
from twinmeter import client as clients
from twinmeter.client import Client
from twinmeter.configuration import MOST_LIMITS_SECONDS

__all__ = ["answers", "upstream"]


@dataclass(frozen=True)
class Limited:
    """An account on a real server with limits, and the client of this process, where it reports by one."""

    account: Account
    client: Client | None = None

    def limit(self, unit: str, amount: int, user: str = "u1", **more: Any) -> str:
        """Its id. Limits are of this account's users alone."""
        scope = {"userId": user, "clientId": self.account.client}
        wanted = {"scope": scope, "unit": unit, "window": "day", "amount": amount, "kind": "hard", **more}
        response = httpx.post(f"{self.account.address}/api/admin/limits", json=wanted, headers=self.account.admin)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def state(self, user: str = "u1") -> dict[str, tuple[Any, Any]]:
        """Used and held of each limit, by its unit, once all that was reported is counted."""
        if self.client is not None:
            self.client.flush(patience(20))
        told = httpx.get(
            f"{self.account.address}/api/me/usage",
            params={"userId": user, "clientId": self.account.client},
            headers=self.account.admin,
        )
        assert told.status_code == 200, told.text
        limits = json.loads(told.content, parse_float=Decimal)["limits"]
        return {limit["unit"]: (Decimal(limit["used"]), Decimal(limit["held"])) for limit in limits}


@pytest.fixture
def limited(account: Account, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> Limited:
    client = make_client(account.address, account.new_key("ingest"), limits_timeout=MOST_LIMITS_SECONDS)
    monkeypatch.setitem(clients._clients, "current", client)
    return Limited(account, client)


def test_ten_calls_of_ten_pass_and_the_eleventh_is_told_everything(limited: Limited) -> None:
    id = limited.limit("requests", 10)

    for _ in range(10):
        with twinmeter.reserve("chat", user_id="u1", model="gpt-4o", output_tokens=100) as reservation:
            assert reservation.allowed
            twinmeter.track(model="gpt-4o", input_tokens=1_000, output_tokens=10)
    assert limited.state() == {"requests": (10, 0)}
    refused: Any = twinmeter.reserve("chat", user_id="u1", model="gpt-4o", output_tokens=100).decision
    checked = twinmeter.check("chat", user_id="u1")

    assert (refused.allowed, refused.unenforced, refused.violated) == (False, False, (id,))
    assert (refused.limit, refused.used, refused.held, refused.asked) == (10, 10, 0, 1)
    assert (refused.unit, refused.window, refused.feature) == ("requests", "day", "chat")
    assert refused.message is not None
    assert refused.message.startswith("You have used all 10 of your")
    assert refused.resets_at is not None
    assert refused.retry_after is not None
    assert abs(refused.resets_at.timestamp() - time.time() - refused.retry_after) <= patience(20)
    assert checked._replace(retry_after=None) == refused._replace(retry_after=None)


def test_what_is_held_is_the_most_and_what_is_used_afterwards_is_what_the_ledger_says(
    limited: Limited, deployment: Deployment
) -> None:
    limited.limit("usd", 1)
    limited.limit("tokens", 10_000)

    with twinmeter.reserve("chat", user_id="u1", model="gpt-4o", input_tokens=1_000, output_tokens=500):
        held = limited.state()
        receipt = twinmeter.track(
            model="gpt-4o", provider="openai", input_tokens=1_000, output_tokens=10, wait=True, timeout=patience(20)
        )

    (usd, tokens), after = (held["usd"], held["tokens"]), limited.state()
    assert tokens == (0, 1_500)
    (entry,) = entries(deployment, limited.account)
    cost = entry["cost"].to_decimal()
    assert cost == Decimal("0.0026")
    assert (receipt.status, receipt.reservation) == ("committed", "settled")
    assert usd[0] == 0
    assert usd[1] >= Decimal("0.0075")
    assert after == {"usd": (cost, 0), "tokens": (1_010, 0)}


def test_what_was_not_called_failed_or_left_holds_nothing_in_the_end(limited: Limited) -> None:
    limited.limit("requests", 10)
    with twinmeter.reserve("chat", user_id="u1"):
        assert limited.state() == {"requests": (0, 1)}
    assert limited.state() == {"requests": (0, 0)}
    with suppress(OSError), twinmeter.reserve("chat", user_id="u1"), twinmeter.call(provider="openai"):
        raise OSError
    assert limited.state() == {"requests": (1, 0)}

    async def cancelled() -> None:
        async with twinmeter.reserve("chat", user_id="u1"):
            await asyncio.sleep(3600)

    async def left() -> None:
        task = asyncio.ensure_future(cancelled())
        await until(lambda: limited.state() == {"requests": (1, 1)})
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(left())
    assert limited.state() == {"requests": (1, 0)}


def test_of_a_hundred_threads_as_many_pass_as_there_is_room_for(limited: Limited) -> None:
    limited.limit("requests", 20)

    def called(_: int) -> bool:
        with twinmeter.reserve("chat", user_id="u1", model="gpt-4o") as reservation:
            assert not reservation.decision.unenforced, reservation.decision
            if reservation.allowed:
                twinmeter.track(model="gpt-4o", input_tokens=1)
            return reservation.allowed

    with ThreadPoolExecutor(50) as threads:
        passed = list(threads.map(called, range(100)))

    assert sum(passed) == 20
    assert limited.state() == {"requests": (20, 0)}


def test_a_wrapped_client_stops_at_its_limit_also_in_streams(
    limited: Limited, answers: Provider, deployment: Deployment
) -> None:
    limited.limit("requests", 3)
    with openai.OpenAI(base_url=f"{answers.address}/v1", api_key="k", max_retries=0) as client:
        twinmeter.wrap(client, user_id="u1", enforce=True)
        client.chat.completions.create(**ASKED, max_completion_tokens=600)
        for _ in client.chat.completions.create(**ASKED, stream=True):
            pass
        answers.does = 500
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(**ASKED)
        assert limited.state() == {"requests": (3, 0)}
        answers.does = "answer"
        for stream in (False, True):
            with pytest.raises(twinmeter.QuotaExceeded, match="You have used all 3"):
                client.chat.completions.create(**ASKED, stream=stream)

    assert len(answers.requests) == 3
    assert limited.state() == {"requests": (3, 0)}
    stored = entries(deployment, limited.account)
    assert sorted(entry["status"] for entry in stored) == ["error", "success", "success"]
    assert all(entry["reservationId"] for entry in stored)


def test_a_stream_that_is_left_has_used_all_that_was_held_for_it(
    limited: Limited, answers: Provider, deployment: Deployment
) -> None:
    limited.limit("tokens", 10_000)
    limited.limit("usd", 1)
    with openai.OpenAI(base_url=f"{answers.address}/v1", api_key="k", max_retries=0) as client:
        twinmeter.wrap(client, user_id="u1", enforce=True)
        stream = client.chat.completions.create(**ASKED, max_completion_tokens=100, stream=True)
        next(iter(stream))
        held = limited.state()
        stream.close()

    after = limited.state()
    (entry,) = entries(deployment, limited.account)
    assert (held["tokens"], after["tokens"]) == ((0, 1_217), (1_217, 0))
    assert (entry["inputTokens"], entry["outputTokens"], entry["estimatedUsage"]) == (1_117, 100, "tokens")
    assert after["usd"] == (entry["cost"].to_decimal(), 0)
    assert after["usd"][0] <= held["usd"][1]


def test_what_cannot_be_bounded_is_refused_by_a_limit_on_money_with_the_way_out(limited: Limited) -> None:
    limited.limit("usd", 1)

    unpriced = twinmeter.reserve("chat", user_id="u1", model="no-such-model", input_tokens=1, output_tokens=1).decision
    unbounded = twinmeter.reserve("chat", user_id="u1", model="gpt-4o", output_tokens=1).decision

    assert (unpriced.allowed, unpriced.unenforced) == (False, False)
    assert "no price says what no-such-model may cost" in str(unpriced.reason)
    assert unbounded.allowed or "inputTokens" in str(unbounded.reason)
    assert limited.state()["usd"][0] == 0


def test_calls_that_nobody_asked_for_count_too(limited: Limited) -> None:
    limited.limit("requests", 2)

    for _ in range(3):
        twinmeter.track(user_id="u1", content_type="chat", model="gpt-4o", input_tokens=1)
    assert limited.state() == {"requests": (3, 0)}

    refused: Any = twinmeter.check("chat", user_id="u1")
    assert (refused.allowed, refused.used, refused.limit) == (False, 3, 2), refused


def test_a_key_of_another_client_gives_nothing_back(limited: Limited, deployment: Deployment) -> None:
    limited.limit("requests", 2)
    reservation = twinmeter.reserve("chat", user_id="u1")
    other = deployment.account(limited.account.address)
    key = other.new_key("ingest")

    told = httpx.delete(
        f"{other.address}/api/ai/reservations/{reservation.id}", headers={"Authorization": f"Bearer {key}"}
    )

    assert told.status_code == 404
    assert limited.state() == {"requests": (0, 1)}
    reservation.release()
    assert limited.state() == {"requests": (0, 0)}


def test_a_server_that_dies_in_between_is_asked_again_when_it_is_back(
    mongodb_uri: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, make_client: MakeClient
) -> None:
    deployment = Deployment(tmp_path / "data", mongodb_uri)
    with deployment.serving() as address:
        account = deployment.account(address)
        client = make_client(address, account.new_key("ingest"), limits_timeout=MOST_LIMITS_SECONDS)
        monkeypatch.setitem(clients._clients, "current", client)
        limited = Limited(account, client)
        limited.limit("requests", 2)
        held = twinmeter.reserve("chat", user_id="u1")
        assert held.allowed
    started = time.monotonic()
    dead = [twinmeter.check("chat", user_id="u1") for _ in range(100)]
    spent = time.monotonic() - started
    held.release()
    with deployment.serving(address.rpartition(":")[2]):
        while twinmeter.check("chat", user_id="u1").unenforced:
            time.sleep(POLL_SECONDS)
        assert limited.state() == {"requests": (0, 0)}

    assert all(decision.allowed and decision.unenforced for decision in dead)
    assert spent < patience(2)


VIEW = """
def answer():
    with twinmeter.reserve("chat", user_id="u1", model="gpt-4o", output_tokens=10) as reservation:
        if not reservation.allowed or reservation.decision.unenforced:
            return "refused", 429
        twinmeter.track(model="gpt-4o", input_tokens=1)
        return "done", 200
"""
FLASK = f"""
import flask, twinmeter
{VIEW}
application = flask.Flask(__name__)
application.add_url_rule("/", view_func=answer)
"""
DJANGO = f"""
import twinmeter
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
settings.configure(SECRET_KEY="s", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[])
{VIEW}
def call(request):
    text, status = answer()
    return HttpResponse(text, status=status)
urlpatterns = [path("", call)]
application = get_wsgi_application()
"""
FASTAPI = f"""
import fastapi, twinmeter
{VIEW}
application = fastapi.FastAPI()
application.add_middleware(twinmeter.asgi)
@application.get("/")
def call(response: fastapi.Response):
    text, response.status_code = answer()
    return text
@application.get("/later")
async def call_later(response: fastapi.Response):
    async with twinmeter.reserve("chat", user_id="u1", model="gpt-4o", output_tokens=10) as reservation:
        if not reservation.allowed or reservation.decision.unenforced:
            response.status_code = 429
            return "refused"
        twinmeter.track(model="gpt-4o", input_tokens=1)
        return "done"
"""


@pytest.mark.parametrize(
    ("code", "command", "paths"),
    [
        pytest.param(FLASK, (*GUNICORN, "--threads", "4"), [""], id="flask, gunicorn, threads"),
        pytest.param(DJANGO, (*GUNICORN, "--preload", "--threads", "4"), [""], id="django, gunicorn, threads"),
        pytest.param(FASTAPI, UVICORN, ["", "later"], id="fastapi, uvicorn"),
    ],
)
def test_the_threads_and_processes_of_an_application_share_one_limit(
    limited: Limited, tmp_path: Path, code: str, command: tuple[str, ...], paths: list[str]
) -> None:
    pytest.importorskip(command[0])
    pytest.importorskip(re.findall(r"flask|django|fastapi", code)[0])
    limited.limit("requests", 10)
    patient = f"import os\nos.environ['TWINMETER_LIMITS_TIMEOUT'] = '20'\n{code}"

    with serving(tmp_path, patient, command, limited.account, limited.account.new_key("ingest")) as address:

        def asked(number: int) -> int:
            return httpx.get(f"{address}/{paths[number % len(paths)]}", timeout=patience(30)).status_code

        with ThreadPoolExecutor(16) as threads:
            statuses = Counter(threads.map(asked, range(40)))

    assert statuses == {200: 10, 429: 30}
    assert limited.state() == {"requests": (10, 0)}
