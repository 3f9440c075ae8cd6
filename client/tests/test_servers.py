"""Applications of Flask, Django and FastAPI by the servers that run them: what they report until SIGTERM arrives."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from urllib.request import urlopen

import pytest
from client.tests.conftest import KEY
from client.tests.stand_in import StandIn
from client.tests.test_life import CALL, CLIENT
from client.tests.test_processes import expect
from tests.patience import patience
from tests.real_clients.conftest import Account

REQUESTS = 30

FLASK = f"""
import flask, twinmeter
application = flask.Flask(__name__)
@application.get("/")
def call():
    {CALL}
    return "done"
"""
DJANGO = f"""
import twinmeter
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
settings.configure(SECRET_KEY="s", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[])
def call(request):
    {CALL}
    return HttpResponse("done")
async def call_later(request):
    {CALL}
    return HttpResponse("done")
urlpatterns = [path("", call), path("later", call_later)]
"""
DJANGO_WSGI = f"""{DJANGO}
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
"""
DJANGO_ASGI = f"""{DJANGO}
from django.core.asgi import get_asgi_application
import asyncio
django = get_asgi_application()
async def application(scope, receive, send):
    if scope["type"] != "lifespan":
        return await django(scope, receive, send)
    while (await receive())["type"] != "lifespan.shutdown":
        await send({{"type": "lifespan.startup.complete"}})
    await asyncio.to_thread(twinmeter.flush)
    await send({{"type": "lifespan.shutdown.complete"}})
"""
FASTAPI = f"""
import fastapi, twinmeter
application = fastapi.FastAPI()
application.add_middleware(twinmeter.asgi)
@application.get("/")
def call():
    {CALL}
@application.get("/later")
async def call_later():
    {CALL}
"""
GUNICORN = ("gunicorn", "--bind", "127.0.0.1:0", "--workers", "2", "--graceful-timeout", "10")
UVICORN = ("uvicorn", "--port", "0")


@contextmanager
def serving(
    folder: Path, code: str, command: tuple[str, ...], server: StandIn | Account, key: str = KEY
) -> Iterator[str]:
    """The address of an application, which is ended by SIGTERM, as in a container."""
    (folder / "program.py").write_text(code)
    ours = {"TWINMETER_URL": server.address, "TWINMETER_KEY": key, "PYTHONPATH": f"{CLIENT}{os.pathsep}{folder}"}
    arguments = [sys.executable, "-m", *command, "program:application"]
    process = subprocess.Popen(arguments, cwd=folder, env={**os.environ, **ours}, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lost = Timer(patience(60), process.kill)
    lost.start()
    try:
        said = next(line for line in process.stderr if re.search(r"http://127\.0\.0\.1:\d+", line))
        yield re.findall(r"http://[\d.:]+", said)[0]
        process.terminate()
        process.stderr.read()
        assert process.wait() in {0, -signal.SIGTERM}
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        lost.cancel()


@pytest.mark.parametrize(
    ("code", "command", "paths"),
    [
        pytest.param(FLASK, GUNICORN, [""], id="flask, gunicorn"),
        pytest.param(FLASK, (*GUNICORN, "--preload", "--threads", "4"), [""], id="flask, gunicorn, preload, threads"),
        pytest.param(DJANGO_WSGI, GUNICORN, ["", "later"], id="django, gunicorn"),
        pytest.param(DJANGO_ASGI, UVICORN, ["", "later"], id="django, uvicorn"),
        pytest.param(FASTAPI, UVICORN, ["", "later"], id="fastapi, uvicorn"),
    ],
)
def test_what_an_application_reports_until_its_server_is_told_to_end_is_sent(
    server: StandIn, tmp_path: Path, code: str, command: tuple[str, ...], paths: list[str]
) -> None:
    pytest.importorskip(command[0])
    pytest.importorskip(re.findall(r"flask|django|fastapi", code)[0])
    with serving(tmp_path, code, command, server) as address:
        for number in range(REQUESTS):
            with urlopen(f"{address}/{paths[number % len(paths)]}", timeout=patience(30)) as response:
                assert response.status == 200

    expect(server, REQUESTS)
