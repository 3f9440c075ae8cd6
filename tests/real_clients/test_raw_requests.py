"""What no client library sends: hostile heads, bodies and times, on raw sockets to every route of a real server."""

import asyncio
import gzip
import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

from scripts.bench import worst
from tests.patience import patience
from tests.real_clients.conftest import Account

SECONDS = 1.0
"""How long any answer may take."""
ROUNDS = 24
AT_ONCE = 8
LIVE = "/api/admin/ai/live"
CALL = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 500}

METHODS = (b"HEAD", b"OPTIONS", b"PUT", b"PATCH", b"DELETE", b"GET", b"POST", b"TRACE", b"CONNECT", b"get", b"X" * 20)
SEGMENTS = (
    *(b"%00", b"%ff", b"%2e%2e", b"..;", b"%c3%28", b"%", b"%zz", b"{}", b"'", b"$where", b"x" * 3_000, b"%25%30%30"),
    *("ünï".encode(), b"\xff\xfe", b"-1", b"%e2%80%ae", b"a%2fb", b"~"),
)
QUERIES = (
    *(b"days=", b"days=-1", b"days=1e9", b"days=9" * 40, b"days=%00", b"from=9999-12-31&to=0001-01-01", b"%ff=%ff"),
    *(
        b"clientId=*",
        b"clientId=%00",
        b"cursor=" + b"A" * 1_000,
        b"cursor=%ff%fe",
        b"limit=99999999999999999999",
        b"&&&=",
    ),
    *(
        b"userId=" + b"%f0%9f%92%a9" * 80,
        b"from=2024-02-30",
        b"from=2024-01-01T00:00:00Z",
        b"type=%00",
        b"q=" + b"&" * 9_000,
    ),
    *(
        b"days=1&days=2",
        b"days[]=1",
        b"minDuration=-1",
        b"minDuration=NaN",
        b"series=%00",
        b"synthetic=x",
        b"x" * 20_000,
    ),
)
HEADERS = (
    *(b"Content-Type: ", b"Content-Type: application/json; charset=utf-16", b"Content-Type: \xff/\xfe"),
    *(b"Content-Type: application/x-protobuf", b"Content-Type: application/x-ndjson", b"Content-Type: text/plain"),
    *(
        b"Content-Type: multipart/form-data",
        b"Content-Type: multipart/form-data; boundary=",
        b"Content-Type: application/msgpack",
    ),
    *(b"Content-Type: application/x-www-form-urlencoded", b"Content-Encoding: gzip", b"Content-Encoding: \xff"),
    *(b"Idempotency-Key: \xe9", b"Idempotency-Key: " + b"k" * 3_000, b'Idempotency-Key: "', b"X-User-Id: \xff\xfe"),
    *(
        b"X-User-Id: ",
        b"Cookie: tm_session=%00; a=b",
        b'Cookie: ="=;;;"',
        b"Cookie: \xff=\xfe",
        b"Expect: 100-continue",
    ),
    *(
        b"Host: a b",
        b"Host: [::1",
        b"Origin: null",
        b"Sec-Fetch-Site: cross-site",
        b"X-Forwarded-For: " + b"1," * 2_000,
    ),
    *(
        b"X-Forwarded-Proto: \xff",
        b"X-Forwarded-Prefix: //evil",
        b"Accept: \xff",
        b"Accept-Encoding: \xff;q=x",
        b"Range: bytes=9-1",
    ),
    *(b"If-None-Match: \xff", b"If-Modified-Since: never", b"X-Request-Id: a\tb", b"Authorization: Bearer x"),
    *(b"Authorization: Bearer " + b"x." * 9_000, b"Authorization: \xff", b"Upgrade: websocket\r\nConnection: Upgrade"),
    *(b"Upgrade: h2c", b"Transfer-Encoding: gzip", b"TE: trailers", b"Last-Event-ID: \xff", b"Content-Length: 0"),
    *(b"bad header", b"na(me: x", b"x:" + b" " * 9_000, b"\x00: \x00", b"x: a\r\n folded"),
)
_NAMED = re.compile(rb"\{[^}]*\}")
"""A part of an address that is somebody's to choose."""
TIMES = (
    *(
        "",
        "now",
        "0000-00-00",
        "9999-12-31T23:59:60Z",
        "10000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "2024-02-30",
    ),
    *(
        "9999-12-31T23:59:59-14:00",
        "1970-01-01T00:00:00",
        "2024-01-01T25:00:00Z",
        "2024-W01-1",
        "-1",
        "\ud800",
        "T",
        "\x00",
    ),
)
VALUES: tuple[object, ...] = (
    *(None, True, -1, 0, -0.0, 10**400, 1e308, 2**63, "", "\x00", "\ud800", "x" * 100_000, [], [[]], {}, {"$gt": ""}),
    *(
        float("nan"),
        float("inf"),
        {"a": {"b": {}}},
        [None] * 1_000,
        "=1+1",
        "\u202e",
        "{{7*7}}",
        "${x}",
        "../../etc/passwd",
    ),
)
FIELDS = (
    *CALL,
    "createdAt",
    "metadata",
    "cost",
    "requestId",
    "clientId",
    "conversationId",
    "status",
    "images",
    "prices",
)


CHAT: dict[str, object] = {
    "model": "gpt-4o", "messages": [{"role": "user", "content": "one two"}], "max_tokens": 50, "stream": True, "n": 1,
    "stream_options": {"include_usage": True}, "user": "u1", "tools": [], "temperature": 0, "service_tier": "auto",
    "metadata": {"user_id": "u1"}, "max_completion_tokens": 50,
}  # fmt: skip
RESPONSE: dict[str, object] = {
    "model": "gpt-4o", "input": "one two", "max_output_tokens": 50, "stream": True, "tools": [], "user": "u1",
    "service_tier": "auto", "store": False,
}  # fmt: skip
CONTENTS: dict[str, object] = {
    "contents": [{"role": "user", "parts": [{"text": "one two"}]}], "generationConfig": {"maxOutputTokens": 50},
    "tools": [], "systemInstruction": {"parts": [{"text": "one"}]}, "requests": [], "content": {"parts": []},
}  # fmt: skip
MEDIA: dict[str, object] = {
    "model": "gpt-image-1", "prompt": "one two", "input": "one two", "n": 1, "size": "1024x1024", "quality": "low",
    "voice": "alloy", "stream": False, "file": "x",
}  # fmt: skip
NEUTRAL: dict[str, object] = {
    "model": "gpt-4o", "prompt": "one two", "maxTokens": 50, "temperature": 0, "userId": "u1", "count": 1, "seconds": 4,
    "messages": [{"role": "user", "content": "one two"}], "size": "1024x1024", "quality": "low", "contentType": "chat",
}  # fmt: skip
OF_THE_GATEWAY: tuple[tuple[str, str, Mapping[str, object]], ...] = (
    ("POST", "/v1/chat/completions", CHAT),
    ("POST", "/openai/v1/chat/completions", CHAT),
    ("POST", "/chat/completions", CHAT),
    ("POST", "/v1/responses", RESPONSE),
    ("POST", "/v1/embeddings", MEDIA),
    ("POST", "/v1/images/generations", MEDIA),
    ("POST", "/v1/images/edits", MEDIA),
    ("POST", "/v1/audio/transcriptions", MEDIA),
    ("POST", "/v1/audio/translations", MEDIA),
    ("POST", "/v1/audio/speech", MEDIA),
    ("POST", "/v1/messages", {**CHAT, "model": "claude-sonnet-4-5"}),
    ("POST", "/v1/messages/count_tokens", {**CHAT, "model": "claude-sonnet-4-5"}),
    ("POST", "/v1beta/models/{model}:generateContent", CONTENTS),
    ("POST", "/v1beta/models/gemini-2.0-flash:generateContent", CONTENTS),
    ("POST", "/v1beta/models/gemini-2.0-flash:streamGenerateContent", CONTENTS),
    ("POST", "/v1beta/models/gemini-2.0-flash:countTokens", CONTENTS),
    ("POST", "/v1beta/models/gemini-2.0-flash:embedContent", CONTENTS),
    ("POST", "/v1beta/models/gemini-2.0-flash:batchEmbedContents", CONTENTS),
    ("POST", "/v1/generate", NEUTRAL),
    ("POST", "/v1/chat", NEUTRAL),
    ("POST", "/v1/chat/stream", NEUTRAL),
    ("POST", "/v1/images/generate", NEUTRAL),
    ("POST", "/v1/videos/generate", NEUTRAL),
    ("GET", "/v1/models", {}),
    ("GET", "/v1/models/{model}", {}),
    ("GET", "/v1beta/models/{model}", {}),
    ("POST", "/v1/{anything}", CHAT),
)


class Sent(NamedTuple):
    """One request, in the pieces in which it is sent. It is rude where it never comes to its end."""

    pieces: list[bytes]
    rude: bool = False

    @property
    def whole(self) -> bytes:
        return b"".join(self.pieces)


class Fuzz:
    """Requests to one route."""

    def __init__(self, method: str, route: str, credentials: str, row: Mapping[str, object] = CALL) -> None:
        """`row` is a body that is right."""
        self._rng = random.Random(f"{method} {route}")
        self._method, self._route = method.encode(), route
        self._credentials = credentials.encode()
        self._right = row
        self._fields = FIELDS if row is CALL else tuple(row)

    def requests(self) -> Iterator[Sent]:
        for _ in range(ROUNDS):
            yield self._one()

    def _one(self) -> Sent:
        rng = self._rng
        method = self._method if rng.random() < 0.8 else rng.choice(METHODS)
        body = self._body() if rng.random() < 0.9 and method not in {b"GET", b"HEAD"} else b""
        headers = [b"Host: localhost", b"Authorization: Bearer " + self._credentials, b"Connection: close"]
        headers += [b"Content-Type: application/json"] if rng.random() < 0.7 else []
        headers += rng.sample(HEADERS, rng.choice((0, 0, 1, 1, 2, 4)))
        said = len(body) + (rng.choice((7, 10**6)) if (rude := rng.random() < 0.05) else 0)
        chunked = not rude and rng.random() < 0.1
        headers.append(b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % said)
        rng.shuffle(headers)
        head = b" ".join([method, self._target(), b"HTTP/1.1"]) + b"\r\n" + b"\r\n".join(headers) + b"\r\n\r\n"
        whole = head + (
            b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked and body else b"0\r\n\r\n" if chunked else body
        )
        return Sent(self._pieces(whole), rude)

    def _target(self) -> bytes:
        segments = [
            _NAMED.sub(lambda _: self._rng.choice(SEGMENTS), segment.encode()) for segment in self._route.split("/")[1:]
        ]
        if self._rng.random() < 0.1:
            segments.insert(self._rng.randrange(len(segments) + 1), self._rng.choice(SEGMENTS))
        query = b"?" + self._rng.choice(QUERIES) if self._rng.random() < 0.5 else b""
        return b"/" + b"/".join(segments) + query

    def _body(self) -> bytes:
        rng = self._rng
        row: dict[str, object] = dict(self._right)
        for field in rng.sample(self._fields, min(rng.randint(0, 4), len(self._fields))):
            row[field] = rng.choice(TIMES) if field == "createdAt" else rng.choice(VALUES)
        text = json.dumps(rng.choice((row, [row] * 3, [row, 7, None, "x"])))
        return rng.choice(
            (
                text.encode(),
                text.encode(),
                text.encode("utf-16"),
                b"\xef\xbb\xbf" + text.encode(),
                text.encode()[: rng.randrange(len(text))],
                gzip.compress(text.encode()),
                gzip.compress(text.encode())[:-9],
                rng.randbytes(rng.randrange(400)),
                b"[" * rng.randrange(9_000),
                b"\n".join([text.encode()] * 3),
                b'{"userId":"' + rng.randbytes(40) + b'"}',
            )
        )

    def _pieces(self, whole: bytes) -> list[bytes]:
        """In one go, in three, or the first bytes one by one."""
        cuts = sorted(self._rng.sample(range(len(whole)), 2))
        return self._rng.choice(
            (
                [whole],
                [whole[: cuts[0]], whole[cuts[0] : cuts[1]], whole[cuts[1] :]],
                [*(whole[at : at + 1] for at in range(30)), whole[30:]],
            )
        )


async def status_of(host: str, port: int, sent: Sent, *, whole: bool) -> int | None:
    """The status of the answer; None where the connection was closed without one, as is right for no HTTP."""
    reader, writer = await asyncio.open_connection(host, port, limit=10**6)
    try:
        for piece in sent.pieces:
            writer.write(piece)
            await writer.drain()
        if sent.rude:
            return None
        line = await reader.readline()
        if whole:
            while await reader.read(65_536):
                pass
        return int(line.split()[1]) if line else None
    except ConnectionError:
        return None
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def statuses_of(account: Account, cases: Iterable[tuple[str, Sent]]) -> Counter[int | None]:
    """How often each status was answered; none is a server error, and nothing hangs."""
    address = urlsplit(account.address)
    places, statuses = asyncio.Semaphore(AT_ONCE), Counter[int | None]()

    async def send(name: str, sent: Sent) -> str | None:
        async with places:
            began = time.monotonic()
            try:
                async with asyncio.timeout(patience(SECONDS)):
                    status = await status_of(str(address.hostname), address.port or 0, sent, whole=LIVE not in name)
            except TimeoutError:
                return f"{name} hangs: {sent.whole!r}"
            statuses[status] += 1
            took = time.monotonic() - began
            return (
                f"{name} was {status} after {took:.2f} s: {sent.whole!r}"
                if status is not None and status >= 500
                else None
            )

    wrong = [fault for fault in await asyncio.gather(*(send(*case) for case in cases)) if fault]
    assert wrong == []
    async with httpx.AsyncClient(base_url=account.address) as client:
        assert (await client.get("/health")).json() == {"status": "ok"}
    return statuses


async def test_nothing_on_a_raw_socket_is_a_server_error_or_hangs(account: Account) -> None:
    token = account.admin["Authorization"].removeprefix("Bearer ")
    cases = [(f"{m} {r}", sent) for m, r in worst.of_routes() for sent in Fuzz(m, r, token).requests()]
    async with httpx.AsyncClient(base_url=account.address, timeout=patience(30)) as client:
        await client.get("/schema", headers=account.admin)  # made for the first who asks, which takes most of a second

    statuses = await statuses_of(account, cases)

    assert sum(statuses.values()) == len(cases) > 900
    assert {200, 400, 404, 405, 415, 431} <= statuses.keys()


async def test_nor_is_anything_that_the_gateway_is_sent(account: Account) -> None:
    key = account.new_key("gateway")
    cases = [(f"{m} {r}", sent) for m, r, row in OF_THE_GATEWAY for sent in Fuzz(m, r, key, row).requests()]

    statuses = await statuses_of(account, cases)

    assert sum(statuses.values()) == len(cases) > 400
    assert {200, 400, 401, 404, 405, 415} <= statuses.keys()
