"""Two workers on one port: whichever is asked, the answer is that of the server."""

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from app.auth.attempts import BURST as GUESSES
from tests.patience import patience
from tests.test_server import CALL
from tests.workers.serving import TECHNICAL, TRACK, Served, bearer, children, workers

RATE = 20
BURST = 5 * RATE


@pytest.fixture(scope="module")
def server(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    variables = {"TWINMETER_MONGODB_URI": mongodb_uri, "TWINMETER_DATABASE": f"test_{uuid.uuid4().hex[:12]}"}
    with workers(tmp_path_factory.mktemp("workers"), TWINMETER_RATE_LIMIT=str(RATE), **variables) as served:
        yield served


def test_figures_are_those_of_all_workers(server: Served) -> None:
    before = server.get(TECHNICAL)
    with server.each() as clients:
        for client in clients:
            for _ in range(5):
                assert client.post(TRACK, json=CALL).status_code == 201
        # what a worker has answered is still in hand for a moment
        server.until(lambda: server.get(TECHNICAL)["queued"] == 0)
        found = [client.get(TECHNICAL).json() for client in clients]
        metrics = [client.get("/metrics").text for client in clients]

    committed = found[0]["calls"]["committed"]
    assert committed >= before["calls"].get("committed", 0) + 12
    for each in found:
        assert each["calls"]["committed"] == committed == sum(process["calls"] for process in each["processes"])
        assert (len(each["processes"]), each["room"], each["queued"]) == (2, 100_000, 0)
        assert each["commits"]["calls"] == committed
    for text in metrics:
        assert f'twinmeter_calls_total{{door="track",status="committed"}} {committed:.1f}\n' in text
        assert "\ntwinmeter_process_starts_total 2.0\n" in text


def test_the_rate_of_a_caller_is_shared_by_the_workers(server: Served) -> None:
    with server.each() as clients:
        for client in clients:
            client.headers.update(bearer("sends much"))
        started = time.monotonic()
        with ThreadPoolExecutor(2) as threads:
            answers = list(
                threads.map(lambda client: [client.get("/api/admin/keys").status_code for _ in range(BURST)], clients)
            )
        seconds = time.monotonic() - started

    assert {status for each in answers for status in each} == {200, 429}
    admitted = [each.count(200) for each in answers]
    assert min(admitted) > 0
    assert BURST <= sum(admitted) <= BURST + RATE * seconds + 1


def test_wrong_credentials_are_slowed_down_by_all_workers_together(server: Served) -> None:
    with server.each() as clients:
        for client in clients:
            client.headers.update({"Authorization": "Bearer wrong.wrong.wrong"})
        started = time.monotonic()
        answers = [[client.get("/api/analytics").status_code for _ in range(GUESSES)] for client in clients]
        seconds = time.monotonic() - started

    assert {status for each in answers for status in each} <= {401, 429}
    assert GUESSES <= sum(each.count(401) for each in answers) <= GUESSES + seconds + 1


def test_a_call_reported_to_one_worker_is_told_on_the_pages_of_the_other(server: Served) -> None:
    def streams() -> list[int]:
        return [process["streams"] for process in server.processes().values()]

    with server.each() as clients, ThreadPoolExecutor() as threads:
        pages: list[Any] = []
        while not all(streams()):
            page = server.client(bearer(f"page {len(pages)}"))
            opened = page.stream("GET", "/api/admin/ai/live")
            lines = opened.__enter__().iter_lines()
            assert next(line for line in lines if line.startswith("event: ")) == "event: hello"
            pages.append((page, opened, lines))
            server.until(lambda: sum(streams()) == len(pages))
        for client in clients:
            heard = [threads.submit(_next_event, lines) for _, _, lines in pages]
            reported = time.monotonic()
            assert client.post(TRACK, json=CALL).status_code == 201
            for each in heard:
                event, at = each.result()
                assert event == "event: committed"
                assert at - reported < patience(2)
        for page, opened, _ in pages:
            opened.__exit__(None, None, None)
            page.close()


def _next_event(lines: Iterator[str]) -> tuple[str, float]:
    return next(line for line in lines if line.startswith("event: ")), time.monotonic()


def test_a_revoked_key_is_refused_by_both_workers(server: Served) -> None:
    with server.client(bearer("keys")) as owner:
        made = owner.post("/api/admin/keys", json={"name": "app", "clientId": "acme", "scopes": ["ingest"]}).json()
        key = {"Authorization": f"Bearer {made['key']}"}
        with server.each(key, body={**CALL, "clientId": "acme"}) as clients:
            assert [client.post(TRACK, json=CALL).status_code for client in clients] == [201, 201]
            assert owner.post(f"/api/admin/keys/{made['id']}/revoke").status_code == 200
            revoked = time.monotonic()
            server.until(lambda: _statuses(clients) == [401, 401], seconds=10, every=0.2)
            assert time.monotonic() - revoked < patience(5)


def _statuses(clients: list[httpx.Client]) -> list[int]:
    return [client.post(TRACK, json=CALL).status_code for client in clients]


def test_a_new_price_acts_in_both_workers(server: Served) -> None:
    model = f"own-{uuid.uuid4().hex[:6]}"
    call = {**CALL, "model": model, "provider": "own"}
    with server.client(bearer("prices")) as owner, server.each(body=call) as clients:
        assert [client.post(TRACK, json=call).json()["cost"] for client in clients] == [None, None]
        price = {"provider": "own", "model": model, "prices": {"inputMtok": 10, "outputMtok": 20}}
        answer = owner.post("/api/admin/prices", json=price)
        assert answer.status_code == 201, answer.text
        made = time.monotonic()
        server.until(lambda: _costs(clients, call) == [0.02, 0.02], seconds=10, every=0.2)
        assert time.monotonic() - made < patience(5)


def _costs(clients: list[httpx.Client], call: dict[str, object]) -> list[object]:
    return [client.post(TRACK, json=call).json()["cost"] for client in clients]


def test_the_address_of_mongodb_is_on_no_command_line(server: Served) -> None:
    lines = children(server.process.pid)

    assert len([line for line in lines.values() if "app.workers.worker" in line]) == 2
    assert not [line for line in lines.values() if "mongodb://" in line]
