"""A server that does what a test tells it to, also what a real one does only on a bad day."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, NamedTuple

Row = dict[str, Any]


class Reply(NamedTuple):
    """An answer. Without a body every row is committed."""

    status: int = 200
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    cuts: bool = False
    """The connection ends instead of an answer, or in the middle of its body."""
    waits_for: threading.Event | None = None


Script = Callable[[list[Row]], Reply]
Limits = Callable[[str, Row], Reply]
"""By the path and the question."""
BATCH_PATH = "/api/ai/track/batch"


def granted(path: str, asked: Row) -> Reply:
    """Every question is answered with yes; a reservation has the id of its request."""
    if path.endswith("/check"):
        return Reply(200, b'{"allowed": true, "feature": "chat", "violated": [], "message": null, "limits": []}')
    told = {"id": f"r-{asked['requestId']}", "expiresAt": "2030-01-01T00:00:00Z", "held": []}
    return Reply(201, json.dumps(told).encode())


def receipts(*statuses: str, **more: Any) -> bytes:
    """The answer to a batch with these outcomes."""
    empty: dict[str, Any] = {"id": None, "feature": None, "cost": None, "errors": []}
    return json.dumps(
        {"summary": {}, "receipts": [{**empty, "status": status, **more} for status in statuses]}
    ).encode()


class StandIn:
    """What it was asked, and what it answers."""

    def __init__(self) -> None:
        self.address = ""
        self.replies: list[Reply | Script] = []
        """The next answers, in order."""
        self.otherwise: Reply | Script = Reply()
        """The answer where there is none of these."""
        self.batches: list[list[Row]] = []
        self.heads: list[dict[str, str]] = []
        """The headers of each batch, with names in small letters."""
        self.date: str | None = None
        """What its answers say instead of the right date."""
        self.connections = 0
        self.times_asked = 0
        """By HEAD."""
        self.paths: list[str] = []
        """Of each batch, as it was asked for."""
        self.limits: Limits = granted
        """The answers to what is asked about limits."""
        self.asked: list[Row] = []
        self.released: list[str] = []
        """Ids of reservations, as they were given back."""
        self.releases = Reply(204, b"")
        self._arrived = threading.Condition()

    @property
    def rows(self) -> list[Row]:
        return [row for batch in self.batches for row in batch]

    def take(self, head: dict[str, str], rows: list[Row]) -> Reply:
        with self._arrived:
            self.batches.append(rows)
            self.heads.append(head)
            reply = self.replies.pop(0) if self.replies else self.otherwise
            self._arrived.notify_all()
        return reply(rows) if callable(reply) else reply

    def wait_for(self, batches: int, seconds: float = 60) -> None:
        """Wait until it was sent so many batches."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.batches) >= batches, seconds), f"only {len(self.batches)}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told: StandIn

    def setup(self) -> None:
        self.told.connections += 1
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return self.told.date or super().date_time_string(timestamp)

    def do_HEAD(self) -> None:
        self.told.times_asked += 1
        self._answer(Reply(200, b""))

    def do_DELETE(self) -> None:
        self.told.released.append(self.path.rpartition("/")[2])
        self._answer(self.told.releases)

    def do_POST(self) -> None:
        if not self.path.endswith(BATCH_PATH):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.told.asked.append(asked)
            self._answer(self.told.limits(self.path, asked))
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.told.paths.append(self.path)
        rows = [json.loads(line) for line in body.splitlines()]
        reply = self.told.take({name.lower(): value for name, value in self.headers.items()}, rows)
        self._answer(reply._replace(body=receipts(*["committed"] * len(rows)) if reply.body is None else reply.body))

    def _answer(self, reply: Reply) -> None:
        if reply.waits_for is not None:
            reply.waits_for.wait(60)
        body = reply.body or b""
        if reply.cuts:
            self.close_connection = True
            if reply.status != 200:
                return
        self.send_response(reply.status)
        for name, value in (("Content-Length", str(len(body))), *reply.headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if reply.cuts else body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # callers that come all at once

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes is nothing to tell."""


@contextmanager
def stand_in(tls: ssl.SSLContext | None = None) -> Iterator[StandIn]:
    """A stand-in that listens."""
    told = StandIn()
    server = _Server(("127.0.0.1", 0), type("_Told", (_Handler,), {"told": told}))
    told.address = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
