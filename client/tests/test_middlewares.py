"""Middlewares: the calls that are made while a request is answered are its user's, whatever the framework."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any, Callable
from wsgiref.util import FileWrapper

import httpx
import pytest
from client.tests.stand_in import StandIn
from litestar import Litestar, get
from litestar.middleware import DefineMiddleware
from tests.patience import patience

import twinmeter
from twinmeter import client as clients
from twinmeter.client import Client

CALL: dict[str, Any] = {"model": "gpt-4o", "input_tokens": 10}


@pytest.fixture(autouse=True)
def _current(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(clients._clients, "current", client)


def report(name: str = "") -> None:
    """What an application does somewhere below a view."""
    twinmeter.track(**CALL, content_type="chat", metadata={"at": name} if name else None)


def users(server: StandIn, client: Client) -> list[Any]:
    """Whose the calls were."""
    client.flush(patience(10))
    return [row.get("userId") for row in server.rows]


def flask_app() -> Any:
    from flask import Flask, Response, g, stream_with_context  # noqa: PLC0415 - heavy

    app = Flask("shop")

    @app.get("/view/<user>")
    def view(user: str) -> str:
        g.user = user
        report()
        return "ok"

    @app.get("/stream/<user>")
    def stream(user: str) -> Response:
        g.user = user

        def body() -> Iterator[str]:
            yield "a"
            report()
            yield "b"

        return Response(stream_with_context(body()))

    @app.get("/fails")
    def fails() -> str:
        report()
        raise ZeroDivisionError

    return app


def user_of_flask(_: object) -> Any:
    from flask import g  # noqa: PLC0415 - heavy

    return g.user


def test_flask_asks_for_the_user_when_a_call_is_made(server: StandIn, client: Client) -> None:
    app = flask_app()
    app.wsgi_app = twinmeter.wsgi(app.wsgi_app, user=user_of_flask)
    browser = app.test_client()
    assert browser.get("/view/u1").data == b"ok"
    assert browser.get("/stream/u2").data == b"ab"
    assert browser.get("/fails").status_code == 500
    report()
    assert users(server, client) == ["u1", "u2", None, None]


def test_the_web_servers_user_is_the_default_of_wsgi(server: StandIn, client: Client) -> None:
    app = flask_app()
    app.wsgi_app = twinmeter.wsgi(app.wsgi_app, content_type="letter", conversation=lambda _: "c1")
    with twinmeter.context(campaign_id="winter"):
        app.test_client().get("/view/u1", environ_overrides={"REMOTE_USER": "alice"})
    client.flush(patience(10))
    (row,) = server.rows
    named = {name: row[name] for name in ("userId", "conversationId", "contentType", "campaignId")}
    assert named == {"userId": "alice", "conversationId": "c1", "contentType": "chat", "campaignId": "winter"}


def test_a_body_of_wsgi_is_closed_and_a_file_is_left_to_the_server(server: StandIn, client: Client) -> None:
    told: list[str] = []

    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            report()
            return b"x"

        def close(self) -> None:
            report()
            told.append("closed")

    bodies: list[Any] = [[b"a"], FileWrapper(open("/dev/null", "rb")), Pieces()]  # noqa: PTH123, SIM115
    app = twinmeter.wsgi(lambda *_: bodies.pop(0), user=lambda environ: environ["who"])
    assert app({}, print) == [b"a"]
    file = app({"wsgi.file_wrapper": FileWrapper}, print)
    assert type(file) is FileWrapper
    file.close()
    body: Any = app({"who": 7}, print)
    assert next(body) == b"x"
    body.close()
    assert told == ["closed"]
    assert users(server, client) == ["7", "7"]


def test_two_requests_at_once_keep_their_users(server: StandIn, client: Client) -> None:
    both = threading.Barrier(2)

    def app(*_: object) -> list[bytes]:
        both.wait(patience(10))
        report()
        return []

    wrapped = twinmeter.wsgi(app, user=lambda environ: environ["who"])
    threads = [threading.Thread(target=wrapped, args=({"who": who}, None)) for who in ("u1", "u2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(users(server, client)) == ["u1", "u2"]


def test_a_function_that_fails_fails_no_request_and_is_logged_once(
    server: StandIn, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def app(*_: object) -> list[bytes]:
        report()
        return [b"ok"]

    wrapped = twinmeter.wsgi(app, user=lambda environ: environ["SECRET"])
    assert [wrapped({}, print) for _ in range(3)] == [[b"ok"]] * 3
    assert users(server, client) == [None, None, None]
    assert [record.message for record in caplog.records] == ["the user_id of a request is not known: KeyError"]


def test_a_function_is_asked_once_a_call_and_no_more_once_it_knows(server: StandIn, client: Client) -> None:
    answers = iter([None, "u1"])
    asked: list[object] = []

    def user(environ: object) -> Any:
        asked.append(environ)
        return next(answers)

    def app(*_: object) -> list[bytes]:
        for _number in range(3):
            report()
        return []

    twinmeter.wsgi(app, user=user)({}, print)
    assert users(server, client) == [None, "u1", "u1"]
    assert len(asked) == 2


async def answers_of(app: Any, *paths: str) -> list[str]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as browser:
        return [(await browser.get(path)).text for path in paths]


def fastapi_app(**asked: Any) -> Any:
    from fastapi import BackgroundTasks, FastAPI, Request  # noqa: PLC0415 - heavy
    from fastapi.responses import StreamingResponse  # noqa: PLC0415

    app = FastAPI()
    app.add_middleware(twinmeter.asgi, **asked)

    def sync(user: str, request: Any) -> str:
        request.state.user = user
        report()
        return "ok"

    async def awaited(user: str, request: Any, later: Any) -> str:
        request.state.user = user
        later.add_task(report)
        await asyncio.sleep(0)
        report()
        return "ok"

    async def stream(user: str, request: Any) -> Any:
        request.state.user = user

        async def body() -> AsyncIterator[str]:
            yield "a"
            report()
            yield "b"

        return StreamingResponse(body())

    sync.__annotations__["request"] = stream.__annotations__["request"] = Request
    awaited.__annotations__ |= {"request": Request, "later": BackgroundTasks}
    app.get("/sync/{user}")(sync)
    app.get("/awaited/{user}")(awaited)
    app.get("/stream/{user}", response_model=None)(stream)
    return app


def user_of_state(scope: dict[str, Any]) -> Any:
    return scope["state"].get("user")


async def test_fastapi_knows_the_user_in_views_threads_background_tasks_and_streams(
    server: StandIn, client: Client
) -> None:
    app = fastapi_app(user=user_of_state)
    assert await answers_of(app, "/sync/u1", "/awaited/u2", "/stream/u3") == ['"ok"', '"ok"', "ab"]
    report()
    assert users(server, client) == ["u1", "u2", "u2", "u3", None]


async def test_requests_of_one_loop_keep_their_users(server: StandIn, client: Client) -> None:
    app = fastapi_app(user=user_of_state)
    await asyncio.gather(*(answers_of(app, f"/awaited/u{number}") for number in range(8)))
    assert sorted(users(server, client)) == sorted([f"u{number}" for number in range(8)] * 2)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (SimpleNamespace(is_authenticated=True, id=7), "7"),
        (SimpleNamespace(is_authenticated=False, id=7), None),
        (SimpleNamespace(is_authenticated=lambda: True, username="alice"), "alice"),
        ({"sub": "auth0|1"}, "auth0|1"),
        ("u1", "u1"),
        (None, None),
        (SimpleNamespace(), None),
    ],
)
async def test_litestar_knows_whom_its_authentication_has_found(
    server: StandIn, client: Client, user: Any, expected: str | None
) -> None:
    @get("/")
    async def view() -> str:
        report()
        return "ok"

    def signing_in(app: Any) -> Callable[..., Any]:
        async def middleware(scope: Any, receive: Any, send: Any) -> None:
            scope["user"] = user
            await app(scope, receive, send)

        return middleware

    app = Litestar([view], middleware=[DefineMiddleware(twinmeter.asgi), signing_in])
    assert await answers_of(app, "/") == ["ok"]
    assert users(server, client) == [expected]


async def test_an_applications_lifespan_and_errors_pass_through() -> None:
    seen: list[str] = []

    async def app(scope: dict[str, Any], *_: object) -> None:
        seen.append(scope["type"])
        raise ZeroDivisionError

    for kind in ("lifespan", "websocket", "http"):
        with pytest.raises(ZeroDivisionError):
            await twinmeter.asgi(app)({"type": kind}, receive=asyncio.sleep, send=asyncio.sleep)
    assert seen == ["lifespan", "websocket", "http"]


@pytest.fixture(scope="module")
def django_settings() -> Any:
    import django  # noqa: PLC0415 - heavy
    from django.conf import settings  # noqa: PLC0415

    settings.configure(
        SECRET_KEY="k",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "twinmeter.django",
        ],
        AUTHENTICATION_BACKENDS=[f"{__name__}.Backend"],
        LOGGING_CONFIG=None,
        USE_TZ=True,
    )
    django.setup()
    return settings


class Backend:
    """Users without a database."""

    def get_user(self, key: Any) -> Any:
        return _user(key)

    async def aget_user(self, key: Any) -> Any:
        return _user(key)


def _user(key: Any) -> Any:
    from django.contrib.auth.models import User  # noqa: PLC0415

    return User(pk=int(key), username=f"user{key}")


def django_view(request: Any) -> Any:
    from django.http import HttpResponse  # noqa: PLC0415

    if "quiet" not in request.GET:
        report()
    return HttpResponse("ok")


async def django_view_awaited(_: object) -> Any:
    from django.http import HttpResponse  # noqa: PLC0415

    report()
    return HttpResponse("ok")


def django_stream(_: object) -> Any:
    from django.http import StreamingHttpResponse  # noqa: PLC0415

    def body() -> Iterator[str]:
        yield "a"
        report()
        yield "b"

    return StreamingHttpResponse(body())


async def django_stream_awaited(_: object) -> Any:
    from django.http import StreamingHttpResponse  # noqa: PLC0415

    async def body() -> AsyncIterator[str]:
        yield "a"
        report()
        yield "b"

    return StreamingHttpResponse(body())


class _Urls(list[Any]):
    """Django's `urlpatterns`, which need Django only when they are looked at."""

    def __iter__(self) -> Iterator[Any]:
        from django.urls import path  # noqa: PLC0415

        views = {
            "view": django_view,
            "view-awaited": django_view_awaited,
            "stream": django_stream,
            "stream-awaited": django_stream_awaited,
        }
        patterns: list[Any] = [path(name, view) for name, view in views.items()]
        return iter(patterns)

    def __reversed__(self) -> Iterator[Any]:
        yield from list(self)[::-1]


urlpatterns = _Urls()


def cookie_of(settings: Any, user: int) -> dict[str, str]:
    """The cookie of who is signed in."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: PLC0415
    from django.contrib.sessions.backends.signed_cookies import SessionStore  # noqa: PLC0415

    session = SessionStore()
    session[SESSION_KEY] = str(user)
    session[BACKEND_SESSION_KEY] = f"{__name__}.Backend"
    session[HASH_SESSION_KEY] = _user(user).get_session_auth_hash()
    session.save()
    return {settings.SESSION_COOKIE_NAME: session.session_key}


def test_django_knows_who_is_signed_in(server: StandIn, client: Client, django_settings: Any) -> None:
    from django.test import Client as Browser  # noqa: PLC0415

    for user in (7, None):
        browser = Browser()
        if user:
            browser.cookies.load(cookie_of(django_settings, user))
        assert browser.get("/view").content == b"ok"
        assert b"".join(browser.get("/stream")) == b"ab"
    quiet = browser.get("/view?quiet")
    assert "Vary" not in quiet.headers  # nobody has looked at who is signed in
    assert users(server, client) == ["7", "7", None, None]


async def test_django_knows_it_in_coroutines(server: StandIn, client: Client, django_settings: Any) -> None:
    from django.core.handlers.asgi import ASGIHandler  # noqa: PLC0415

    cookie = "; ".join(f"{name}={value}" for name, value in cookie_of(django_settings, 8).items())
    transport = httpx.ASGITransport(app=ASGIHandler())
    async with httpx.AsyncClient(transport=transport, base_url="http://shop", headers={"cookie": cookie}) as browser:
        paths = ("/view-awaited", "/stream-awaited", "/view")
        assert [(await browser.get(path)).text for path in paths] == ["ok", "ab", "ok"]
    assert users(server, client) == ["8", "8", "8"]


@pytest.mark.usefixtures("django_settings")
def test_django_asks_a_function_of_its_settings(server: StandIn, client: Client) -> None:
    from django.test import Client as Browser  # noqa: PLC0415
    from django.test.utils import override_settings  # noqa: PLC0415

    own = {"TWINMETER_USER": lambda request: request.GET["who"], "TWINMETER_CONVERSATION": lambda request: request.path}
    with override_settings(**own):
        assert Browser().get("/view?who=u9").status_code == 200
    client.flush(patience(10))
    assert [(row["userId"], row["conversationId"]) for row in server.rows] == [("u9", "/view")]
