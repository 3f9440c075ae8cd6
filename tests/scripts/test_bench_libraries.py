"""What the comparison of libraries counts: what an environment holds, and what a stand-in was sent."""

import gzip
import json
import sys
from pathlib import Path

import httpx
import pytest

from client.tests.stand_in import stand_in
from scripts.bench.bodies import GENAI, export
from scripts.bench.client import App
from scripts.bench.load import calls
from scripts.bench.peers.libraries import added, calls_in, sink

REPORTED = list(calls(3))


def test_what_was_added_to_an_environment_is_all_but_what_every_one_has(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    for name, size in (
        ("pip/a.py", 90),
        ("pip-24.0.dist-info/RECORD", 90),
        ("mine/a.py", 500_000),
        ("mine/b/c.so", 1_000_000),
    ):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_bytes(bytes(size))
    (packages / "mine-1.0.dist-info").mkdir()
    (packages / "alone.py").write_bytes(bytes(500_000))

    assert added(tmp_path) == {"packages": 1, "installed_mb": 2.0}


@pytest.mark.parametrize(
    ("path", "body", "count"),
    [
        ("/api/public/otel/v1/traces", export(REPORTED, GENAI), 3),
        ("/batch/", json.dumps({"batch": [{}, {}], "api_key": "k"}).encode(), 2),
        ("/api/v1/events", b'{"type": "tokens"}', 1),
    ],
)
def test_a_stand_in_counts_the_calls_that_it_is_sent_plain_and_through_gzip(path: str, body: bytes, count: int) -> None:
    assert calls_in(path, body) == count
    with sink() as server, httpx.Client(base_url=server.address) as http:
        zipped = http.post(path, content=gzip.compress(body), headers={"Content-Encoding": "gzip"})
        plain = http.post(path, content=body)
        statuses = {zipped.status_code, plain.status_code}

    assert server.arrived == 2 * count
    assert statuses == ({204} if path.endswith("/events") else {200})


async def test_an_application_reports_all_calls_and_says_what_those_after_the_first_hundred_took() -> None:
    with stand_in() as server:
        spent = await App(sys.executable, "twinmeter", server.address, "tm_key").report(list(calls(250)), 0, 100)

    assert (len(server.rows), len(spent.times_us), spent.counts["delivered"], spent.counts["lost"]) == (
        250,
        150,
        250,
        0,
    )
    assert {"userId", "model", "inputTokens", "requestDuration"} <= set(server.rows[0])
    assert min(spent.import_cpu_ms, spent.seconds, spent.cpu_s, *spent.times_us) > 0
    assert set(spent.row) == {"p50_us", "p99_us", "cpu_us"}
