"""Debian's nginx in front of a server, as docs/operations.md configures it."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.patience import patience

PREFIX = "/twinmeter"
UPSTREAM = "http://127.0.0.1:8000"
"""Where the example expects the server."""
DOCUMENTED = Path(__file__).parents[2] / "docs" / "operations.md"
CONFIGURATION = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen {listen};
    {location}
  }}
}}
"""


def executable() -> str | None:
    """nginx, which Debian puts where only administrators look."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def location(*, takes_off: bool) -> str:
    """The example's location, whose proxy takes the prefix off, or leaves it on."""
    (example,) = re.findall(r"```nginx\n(.*?)```", DOCUMENTED.read_text(), re.DOTALL)
    assert f"proxy_pass {UPSTREAM}/;" in example
    return str(example) if takes_off else str(example).replace(f"{UPSTREAM}/;", f"{UPSTREAM};")


@contextmanager
def nginx(program: str, folder: Path, upstream: str, *, takes_off: bool) -> Iterator[str]:
    """Its address, for as long as the block; `upstream` is that of the server behind it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listen = f"127.0.0.1:{listener.getsockname()[1]}"
        behind = location(takes_off=takes_off).replace(UPSTREAM, upstream)
        # its worker would become another user, who cannot read the folder
        user = "user root;" if os.geteuid() == 0 else ""
        written = CONFIGURATION.format(user=user, folder=folder, listen=listen, location=behind)
        (folder / "nginx.conf").write_text(written)
        # a port that listens already is its own to take over, as in an upgrade of nginx: no other process can be first
        process = subprocess.Popen(
            [program, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")],
            env={**os.environ, "NGINX": f"{listener.fileno()};"},
            pass_fds=[listener.fileno()],
        )
    try:
        yield f"http://{listen}"
        assert process.poll() is None, "nginx has ended"
    finally:
        process.terminate()
        process.wait(patience(10))
