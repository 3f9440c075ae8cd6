"""What the comparison of libraries counts: what an environment holds, and what a stand-in was sent."""

import gzip
import json
from pathlib import Path

import httpx
import pytest

from scripts.bench.bodies import GENAI, export
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
