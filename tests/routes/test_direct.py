"""One call, answered without routing: nobody can tell it from the route, whatever is sent."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvicorn
from litestar import Litestar

from app.auth.attempts import RefusedCredentials
from app.auth.principals import Role, Scope
from app.auth.tokens import Tokens
from app.database import Database, connected
from app.errors import OverloadedError
from app.http.middleware import RequestLimits
from app.http.protocol import LimitedProtocol
from app.main import create_app
from app.tracking import ReceiptStatus, TrackReceipt
from models.limits import LimitScope, Unit
from routes import direct
from tests.conftest import SECRET, new_settings
from tests.limits.defined import define, limit
from tests.patience import patience, until
from tests.routes.generated_requests import CALL, CLIENT, JSON, OWN_ID, Sent, generated
from tests.twins import assert_twins, entries

REQUESTS = 300
WAYS = ("direct", "routed")
TOKENS = Tokens(SECRET)


class Answered(NamedTuple):
    status: int
    headers: dict[bytes, bytes]
    body: Any


async def answered(app: Litestar, sent: Sent, credentials: dict[str, bytes]) -> Answered:
    headers = [(name, credentials.get(value.decode("latin-1"), value)) for name, value in sent.headers]
    body = sent.body.replace(CLIENT.encode(), credentials["client"])
    size = -(-len(sent.body) // sent.pieces) or 1
    pieces = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, start=1)
    ]
    waiting = iter([] if sent.leaves else messages)
    told: list[Any] = []

    async def receive() -> Any:
        if sent.stalls:
            await asyncio.Event().wait()
        return next(waiting, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        told.append(message)

    path, _, query = sent.path.partition("?")
    scope: Any = {
        "type": "http",
        "method": sent.method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": headers,
        "http_version": "1.1",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("shop.example", 80),
        "state": {},
    }
    await app(scope, receive, send)
    started, *bodies = told
    content = b"".join(message.get("body", b"") for message in bodies)
    assert [message.get("more_body", False) for message in bodies][-1] is False
    return Answered(started["status"], dict(started["headers"]), json.loads(content) if content else None)


def plain(found: Answered) -> Answered:
    """Without what differs from one request to the next."""
    headers = dict(found.headers)
    if headers.get(b"x-request-id") != OWN_ID:
        assert len(headers.pop(b"x-request-id")) == 16
    body = found.body
    if isinstance(body, dict) and body.get("id") is not None:
        assert len(body["id"].removeprefix("unlimited-")) == 24
        body = {**body, "id": "the id"}
    return Answered(found.status, headers, body)


@asynccontextmanager
async def running(mongodb_uri: str, folder: Path) -> AsyncIterator[tuple[Litestar, Database]]:
    """An application on this loop, which is asked as by its server."""
    settings = new_settings(mongodb_uri, folder, cors_origins="https://shop.example")
    app = create_app(settings, mongodb_uri)
    async with connected(mongodb_uri, settings.database) as database:
        async with app.lifespan():
            yield app, database
        await database.writes.client.drop_database(settings.database)


async def credentials_of(app: Litestar, name: str) -> dict[str, bytes]:
    """Those of one client of the deployment, by what stands for them."""
    keys, hour = app.state.api_keys, timedelta(hours=1)

    async def new(scope: Scope) -> tuple[str, str]:
        made, text = await keys.create(client=name, scopes=[scope], name="x", expires_at=None, created_by="x")
        return made.key_id, text

    (_, ingest), (_, read), (revoked, gone) = [await new(scope) for scope in (Scope.INGEST, Scope.READ, Scope.INGEST)]
    await keys.revoke(revoked, None)
    texts = {
        "key": ingest,
        "read": read,
        "revoked": gone,
        "wrong": ingest[:-1] + ("a" if ingest[-1] != "a" else "b"),
        "service": TOKENS.issue("s", Role.SERVICE, hour, name),
        "user": TOKENS.issue("u1", Role.USER, hour, name),
        "admin": TOKENS.issue("a", Role.ADMIN, hour),
        "expired": TOKENS.issue("s", Role.SERVICE, -hour, name),
    }
    return {"client": name.encode()} | {
        f"{before}{{{name}}}{after}": f"{before}{text}{after}".encode()
        for before, after in (("Bearer ", ""), ("bearer ", ""), ("Bearer  ", " "))
        for name, text in texts.items()
    }


@contextmanager
def taking(way: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """One way alone; the list grows with each request that is answered without routing."""
    answers: list[int] = []
    send = direct._send

    async def counted(*arguments: Any) -> None:
        answers.append(1)
        await send(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(direct, "_send", counted)
        if way == "routed":
            patch.setattr(direct.Direct, "_asked", lambda *_: None)
        yield answers


async def test_both_ways_give_the_same_answers(
    mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [generated(number) for number in range(REQUESTS)]
    found: dict[str, list[Answered]] = {}
    async with running(mongodb_uri, tmp_path) as (app, database):
        for way in WAYS:
            texts = await credentials_of(app, way)
            app.state.refused_credentials = RefusedCredentials(app.state.tracker.counters)
            with taking(way, monkeypatch) as answers:
                found[way] = [plain(await answered(app, sent, texts)) for sent in requests]
            assert (len(answers) > REQUESTS // 3) is (way == "direct")
        stored = [[entry for entry in await entries(database) if entry["clientId"] == way] for way in WAYS]
        await assert_twins(database)

    for number, sent in enumerate(requests):
        assert found["direct"][number] == found["routed"][number], (number, sent)
    statuses = {answer.status for answer in found["direct"]}
    assert {200, 201, 400, 401, 403, 404, 405, 413, 415} <= statuses
    assert len(stored[0]) == sum(answer.status == 201 for answer in found["direct"])
    own = dict.fromkeys(("_id", "clientId", "createdAt", "recordedAt"))
    assert {entry.get("keyId") for entry in stored[0]} > {None}
    by_content = [sorted(repr({**entry, **own, "keyId": "keyId" in entry}) for entry in each) for each in stored]
    assert by_content[0] == by_content[1]


ASK = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 100, "maxOutputTokens": 50}


CHECK = "/api/ai/limits/check"


def ask(credential: bytes = b"Bearer {key}", *more: tuple[bytes, bytes], pieces: int = 1, **said: Any) -> Sent:
    body = json.dumps({name: value for name, value in {**ASK, **said}.items() if value is not ...}).encode()
    known = [(b"authorization", credential), (b"content-type", JSON), (b"content-length", b"%d" % len(body))]
    return Sent([*known, *more], body, pieces, path="/api/ai/reservations")


ASKS = [
    *(ask(), ask(b"Bearer {service}"), ask(b"Bearer {user}", userId=...), ask(b"Bearer {user}", userId="u2")),
    *(ask(b"Bearer {read}"), ask(b"Bearer {gone}"), ask(b"Bearer {wrong}"), ask(b"Bearer {admin}")),
    *(ask(maxOutputTokens=-1), ask(model=...), ask(unknown=1), ask(ttlSeconds=5), ask(ttlSeconds="5"), ask(pieces=3)),
    *(ask(b"Bearer {key}", (b"prefer", b"wait=5")), ask(b"Bearer {key}", (b"x-user-id", b"u3"), userId=...)),
    *(ask(requestId="r"), ask(requestId="r"), ask(b"Bearer {key}", (b"idempotency-key", b"r"))),
    *(
        ask(b"Bearer {key}", (b"idempotency-key", b'""')),
        ask(b"Bearer {key}", (b"idempotency-key", b"x"), requestId="y"),
    ),
    *(ask(userId="spent"), ask(userId="spent", requestId="s"), ask(userId="poor"), ask(userId="poor", model="mine")),
    ask()._replace(method="GET"),
    ask()._replace(body=b"[]", headers=[*ask().headers[:2], (b"content-length", b"2")]),
    ask()._replace(path="/api/ai/reservations/"),
    *(ask()._replace(path=CHECK), ask(userId="spent")._replace(path=CHECK), ask(model=...)._replace(path=CHECK)),
    *(ask(requestId="r")._replace(path=CHECK), ask(userId="poor", model="mine")._replace(path=CHECK)),
]


async def test_both_ways_hold_room_and_refuse_it_alike(
    mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, list[Answered]] = {}
    async with running(mongodb_uri, tmp_path) as (app, database):
        spent, poor = LimitScope(user_id="spent"), LimitScope(user_id="poor")
        await define(database, limit(0, scope=spent, id="0" * 24), limit("0", unit=Unit.USD, scope=poor, id="1" * 24))
        await app.state.limits.changed()
        for way in WAYS:
            texts = await credentials_of(app, way)
            with taking(way, monkeypatch) as answers:
                found[way] = [asked(await answered(app, sent, texts)) for sent in ASKS]
            assert (len(answers) > len(ASKS) // 3) is (way == "direct")
    assert found["direct"] == found["routed"]
    assert {answer.status for answer in found["direct"]} == {200, 201, 400, 401, 403, 405, 422, 429}


def asked(found: Answered) -> Answered:
    """Without what differs from one time to the next."""
    found = plain(found)
    headers = {name: re.sub(rb";t=\d+", b"", value) for name, value in found.headers.items() if name != b"retry-after"}
    body = found.body | {name: "then" for name in ("expiresAt", "retryAfter") if found.body.get(name)}
    return Answered(found.status, headers, body | ({"id": "the id"} if found.status == 201 else {}))


def ordinary() -> Sent:
    body = json.dumps(CALL).encode()
    return Sent(
        [(b"authorization", b"Bearer {key}"), (b"content-type", JSON), (b"content-length", b"%d" % len(body))], body
    )


async def test_what_has_no_room_is_refused_before_it_is_counted_and_a_fault_of_ours_is_told_as_one(
    mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[Any] = []

    class Limit:
        def admit(self, caller: Any) -> None:
            counted.append(caller)

    def full(*_: Any) -> None:
        raise OverloadedError(3)

    async def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    async def dropping(*_: Any, **__: Any) -> TrackReceipt:
        return TrackReceipt(ReceiptStatus.DROPPED)

    found: dict[str, list[Answered]] = {}
    async with running(mongodb_uri, tmp_path) as (app, _):
        tracker = app.state.tracker
        for way in WAYS:
            texts = await credentials_of(app, way)
            await answered(app, ordinary(), texts)  # the key is known from here on
            app.state.rate_limit = Limit()
            with taking(way, monkeypatch) as answers:
                found[way] = [await answered(app, ordinary(), texts)]
                for patches in (
                    {"accepts": lambda *_: False, "admit": full},
                    {"track_call": broken},
                    {"track_call": dropping},
                ):
                    with monkeypatch.context() as patch:
                        for name, value in patches.items():
                            patch.setattr(tracker, name, value)
                        found[way].append(await answered(app, ordinary(), texts))
            assert len(answers) == (2 if way == "direct" else 0)

    assert [plain(answer) for answer in found["direct"]] == [plain(answer) for answer in found["routed"]]
    committed, refused, failed, dropped = found["direct"]
    assert (committed.status, refused.status, failed.status, dropped.status) == (201, 429, 500, 503)
    assert (refused.headers[b"retry-after"], dropped.headers[b"retry-after"]) == (b"3", b"1")
    assert failed.headers[b"content-type"] == b"application/problem+json"


async def test_who_is_known_and_may_not_report_or_whose_body_has_no_room_or_does_not_come_is_refused(
    mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = ordinary()
    reads = sent._replace(headers=[(b"authorization", b"Bearer {read}"), *sent.headers[1:]])
    found: dict[str, list[Answered]] = {}
    async with running(mongodb_uri, tmp_path) as (app, database):
        for way in WAYS:
            texts = await credentials_of(app, way)
            await answered(app, sent, texts)  # the keys are known from here on
            await answered(app, reads, texts)
            with taking(way, monkeypatch) as answers:
                found[way] = [await answered(app, reads, texts)]
                with monkeypatch.context() as patch:
                    patch.setattr("app.http.bodies.MAX_IN_HAND", 10)
                    found[way].append(await answered(app, sent, texts))
                with monkeypatch.context() as patch:
                    patch.setattr("app.http.middleware.BODY_SECONDS", 0.05)
                    async with asyncio.timeout(patience(5)):
                        found[way].append(await answered(app, sent._replace(stalls=True), texts))
            assert answers == []
        assert len(await assert_twins(database)) == len(WAYS)

    assert [plain(answer) for answer in found["direct"]] == [plain(answer) for answer in found["routed"]]
    assert [answer.status for answer in found["direct"]] == [403, 429, 408]


async def test_a_client_that_leaves_before_its_answer_loses_nothing_and_leaves_nothing_behind(
    mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits, during = RequestLimits(), list[dict[str, int]]()
    monkeypatch.setattr("app.main.RequestLimits", lambda: limits)
    async with running(mongodb_uri, tmp_path) as (app, database):
        texts = await credentials_of(app, "leaves")
        await answered(app, ordinary(), texts)  # the key is known from here on
        config = uvicorn.Config(app, http=LimitedProtocol, loop="none", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        listener = await asyncio.get_running_loop().create_server(
            lambda: LimitedProtocol(config, server.server_state, {}), "127.0.0.1", 0
        )
        tracker = app.state.tracker
        arrived, left, track_call = asyncio.Event(), asyncio.Event(), tracker.track_call

        async def waiting(*arguments: Any, **options: Any) -> TrackReceipt:
            during.append(dict(limits.in_hand))
            arrived.set()
            await left.wait()
            receipt: TrackReceipt = await track_call(*arguments, **options)
            return receipt

        monkeypatch.setattr(tracker, "track_call", waiting)
        _, writer = await asyncio.open_connection(*listener.sockets[0].getsockname()[:2])
        sent = ordinary()
        head = [b"POST /api/ai/track HTTP/1.1", b"Host: shop.example"]
        head += [name + b": " + texts.get(value.decode(), value) for name, value in sent.headers]
        writer.write(b"\r\n".join([*head, b"", b""]) + sent.body)
        await arrived.wait()
        writer.transport.abort()
        await until(lambda: not server.server_state.connections)
        left.set()
        await until(lambda: not server.server_state.tasks)
        listener.close()

        assert len(await assert_twins(database)) == 2
        assert (during, limits.in_hand) == ([{"POST /api/ai/track": 1}], {})
        assert app.state.body_budget._in_hand == 0
        assert tracker.writer.queued == 0
