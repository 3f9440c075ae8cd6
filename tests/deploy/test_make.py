"""What `make` says where there is no Python that it can use."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def made(folder: Path, python: str) -> str:
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    command = ["make", "install", f"PYTHON={python}"]
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)
    assert done.returncode != 0
    return done.stderr


def test_a_python_that_is_not_there_and_one_that_is_too_old_are_told_with_the_way_out(tmp_path: Path) -> None:
    needed = "twinmeter needs Python 3.11 or newer; name one: make PYTHON=python3.12\n"
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2"\nexit 1\n')
    old.chmod(0o755)

    assert made(tmp_path, "python3.99").startswith(f"python3.99 was not found. {needed}")
    assert made(tmp_path, str(old)).startswith(f"{old} is Python 3.9.2. {needed}")
