"""The distributions that applications install, beside one whose packages have the names of the server's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from client.tests.ledger import entries
from client.tests.test_life import SUPPORTED
from tests.patience import patience
from tests.real_clients.conftest import Account, Deployment

CLIENT = Path(__file__).parents[1]
ROOT = CLIENT.parent
WORDS = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
"""All of the environment that an application has here: not what the suite is told about its own code."""

MAIN = """
import sys, app, models, routes.pages
{lines}
for number in range(999):
    twinmeter.track(user_id=f"u{{number % 7}}", content_type="chat", model="gpt-4o", input_tokens=10, output_tokens=5)
print(app.NAME, models.NAME, routes.pages.NAME, twinmeter.flush(60))
assert "/site-packages/" in twinmeter.__file__, twinmeter.__file__
"""
WEIGHS = """
import os, time
def pages():  # proc(5), which not every system has
    return int(open("/proc/self/statm").read().split()[1]) if os.path.exists("/proc/self/statm") else 0
first, before = time.process_time(), pages()
import twinmeter
cpu_ms = 1000 * (time.process_time() - first)
print(cpu_ms, (pages() - before) * os.sysconf("SC_PAGE_SIZE") / 1e6)
"""
"""ms of CPU and MB of memory that the import takes."""
ALL_OF_IT = """
import importlib, pkgutil, twinmeter
for module in pkgutil.walk_packages(twinmeter.__path__, "twinmeter."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        print(error.name)
"""
"""What modules need that is not there; each of them must be whole on each Python."""


def do(*command: str | Path, cwd: Path, **variables: str) -> str:
    """What a command prints that succeeds."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**WORDS, **variables},
        capture_output=True,
        text=True,
        timeout=patience(120),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def made(folder: Path) -> dict[str, bytes]:
    """What `make client` leaves in a checkout of its own, whose files have other dates."""
    shutil.copytree(
        CLIENT, folder / "client", copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("__pycache__")
    )
    binaries = f"BIN={Path(sys.executable).parent}"
    do("make", "-f", ROOT / "Makefile", "-o", ".venv/installed-dev", binaries, "client", cwd=folder)
    return {path.name: path.read_bytes() for path in (folder / "dist").iterdir()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    do(sys.executable, "-m", "flit_core.wheel", CLIENT, "--outdir", folder, cwd=folder, SOURCE_DATE_EPOCH="315532800")
    (wheel,) = folder.iterdir()
    return wheel


def test_the_distributions_hold_the_package_alone_and_are_the_same_wherever_they_are_built(
    tmp_path: Path, wheel: Path
) -> None:
    built = made(tmp_path)

    packages = ["0.1.0-py3-none-any.whl", "0.1.0.tar.gz", *(["0.1.0.tgz"] if shutil.which("npm") else [])]
    assert sorted(path.partition("-")[2] for path in built) == packages
    assert built[wheel.name] == wheel.read_bytes()
    sources = {f"twinmeter/{path.relative_to(CLIENT / 'twinmeter')}" for path in (CLIENT / "twinmeter").rglob("*.py")}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == sources | {"twinmeter/py.typed"}
    with tarfile.open(next(tmp_path.glob("dist/*.tar.gz"))) as sdist:
        names = sdist.getnames()
    assert {name.partition("/")[2] for name in names} == {
        *packed,
        "README.md",
        "pyproject.toml",
        "PKG-INFO",
    }
    metadata = zipfile.ZipFile(wheel).read("twinmeter_client-0.1.0.dist-info/METADATA").decode()
    assert re.findall(r"(?m)^(Name|Requires-Python|Requires-Dist): *(.*)$", metadata) == [
        ("Name", "twinmeter-client"),
        ("Requires-Python", ">=3.9"),
    ]
    assert len(wheel.read_bytes()) < 500_000


def test_the_client_s_version_is_told_once(wheel: Path) -> None:
    told = do(
        sys.executable, "-c", "import twinmeter; print(twinmeter.__version__)", cwd=wheel.parent, PYTHONPATH=str(wheel)
    )

    assert told.strip() == wheel.name.split("-")[1]


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """An application with packages of the names that the server's have."""
    for name, file in (("app", "__init__"), ("models", "__init__"), ("routes", "pages"), ("scripts", "__init__")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{file}.py").write_text(f"NAME = 'my {name}'\n")
    return tmp_path


@pytest.mark.parametrize("python", SUPPORTED)
def test_beside_an_application_of_the_same_names_a_thousand_calls_are_counted(
    account: Account, deployment: Deployment, wheel: Path, application: Path, python: str
) -> None:
    venv = application / "venv"
    do(python, "-m", "venv", "--without-pip", venv, cwd=application)
    do(
        sys.executable,
        "-m",
        "pip",
        "--python",
        venv / "bin/python",
        "install",
        "--no-index",
        "--no-deps",
        wheel,
        cwd=application,
    )
    (lines,) = re.findall(r"(?s)```python\n(.*?)```", (CLIENT / "README.md").read_text())[:1]
    (application / "main.py").write_text(MAIN.format(lines=lines))
    key = account.new_key("ingest")

    said = do(
        venv / "bin/python", "-W", "error", "main.py", cwd=application, TWINMETER_URL=account.address, TWINMETER_KEY=key
    )

    assert said == "my app my models my routes Flushed(delivered=1000, rejected=0, waiting=0)\n"
    stored = entries(deployment, account)
    assert len(stored) == 1_000
    assert [sum(entry[count] for entry in stored) for count in ("inputTokens", "outputTokens")] == [10_000, 5_000]
    added = {path.name for path in next(venv.glob("lib/python*/site-packages")).iterdir()}
    assert added == {"twinmeter", "twinmeter_client-0.1.0.dist-info"}
    assert do(venv / "bin/python", "-W", "error", "-c", ALL_OF_IT, cwd=application).split() == [
        "langchain_core",
        "litellm",
    ]
    weights = [do(venv / "bin/python", "-c", WEIGHS, cwd=application).split() for _ in range(3)]
    cpu_ms, mb = (min(float(each[column]) for each in weights) for column in (0, 1))
    assert cpu_ms < patience(50)
    assert mb < 5
