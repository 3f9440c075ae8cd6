"""What other libraries add to an application that reports by them, beside ours: packages, import, wait and CPU.

Ours reports to a real server; the others to a stand-in that takes everything at once, which is the less they wait for.
"""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from scripts.bench.client import PER_S, App
from scripts.bench.door import CLIENT, server
from scripts.bench.in_process import undelivered
from scripts.bench.load import calls
from scripts.bench.results import Results, Row
from scripts.bench.setup import Run, bench_settings

OURS = "twinmeter"
ALL = (OURS, "langfuse", "posthog", "openmeter")
FLUSH = 1_000
OF_EVERY_VENV = ("pip", "setuptools", "wheel", "_distutils_hack", "pkg_resources", "distutils-precedence")
"""What is there before anything is installed."""


async def measure(run: Run, venvs: Path) -> Results:
    """By library: packages and MB that were installed, CPU and memory of the import, µs of a call and of its CPU."""
    results = Results()
    with bench_settings(run.settings) as own, sink() as others:
        async with server(own, run.uri) as served:
            ours = f"http://{served.host}:{served.port}"
            for seed in range(run.rounds):
                reported = list(calls(run.calls, seed=seed))
                for library in ALL:
                    others.arrived = 0
                    app = App(
                        str(venvs / library / "bin" / "python"),
                        library,
                        ours if library == OURS else others.address,
                        served.bearers[CLIENT],
                    )
                    spent = await app.report(reported, PER_S, FLUSH)
                    weight = {name: getattr(spent, name) for name in ("import_cpu_ms", "import_mb", "most_mb")}
                    arrived = others.arrived
                    if library == OURS:
                        expected = len(reported) * (seed + 1)
                        arrived = len(reported) - await undelivered(served.database, expected, {"clientId": CLIENT})
                    row = added(venvs / library) | weight | spent.row | {"sent": len(reported), "arrived": arrived}
                    results.add_row(library, row)
                    run.advance(1)
    return results


def added(venv: Path) -> Row:
    """Distributions in an environment, and MB of their files, but for those of every environment."""
    (packages,) = venv.glob("lib/python*/site-packages")
    own = [path for path in packages.iterdir() if not path.name.startswith(OF_EVERY_VENV)]
    files = (file for path in own for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
    return {
        "packages": sum(path.suffix == ".dist-info" for path in own),
        "installed_mb": sum(file.stat().st_size for file in files) / 1e6,
    }


class Sink(ThreadingHTTPServer):
    """Takes whatever is sent, and counts the calls in it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.arrived = 0
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, path: str, body: bytes) -> None:
        found = calls_in(path, body)
        with self._lock:
            self.arrived += found


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.take(self.path, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        if self.path.endswith("/events"):  # as OpenMeter's
            self.send_response(204)
            self.end_headers()
            return
        is_otlp = self.path.endswith("/traces")
        body = b"" if is_otlp else b'{"status": 1}'
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf" if is_otlp else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def calls_in(path: str, body: bytes) -> int:
    """Calls of a request: spans of an OTLP export, events of a batch, or one."""
    if path.endswith("/traces"):
        export = ExportTraceServiceRequest.FromString(body)
        return sum(len(scope.spans) for resource in export.resource_spans for scope in resource.scope_spans)
    told = json.loads(body)
    return len(told["batch"]) if "batch" in told else 1


@contextmanager
def sink() -> Iterator[Sink]:
    with Sink() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
