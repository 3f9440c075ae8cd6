"""The application of `framework_calls`, which does what a test asks it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.real_clients.gateway import Site
from tests.test_server import ROOT


class Frameworks:
    """A running one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def called(self, name: str, site: Site) -> Any:
        """What one of its calls gave, as JSON has it."""
        return self._asked({"name": name, "base": site.base, "key": site.key})

    def run(self, lines: str, environ: Mapping[str, str]) -> None:
        """Lines of Python, word for word."""
        self._asked({"lines": lines, "environ": environ})

    def _asked(self, question: Any) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{json.dumps(question)}\n")
        stdin.flush()
        answer = json.loads(stdout.readline())
        assert "gave" in answer, answer["failed"]
        return answer["gave"]


@pytest.fixture(scope="package")
def frameworks() -> Iterator[Frameworks]:
    ours = ("OPENAI_", "ANTHROPIC_", "GOOGLE_", "GEMINI_", "OTEL_", "TWINMETER_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    env = {**own, "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.real_clients.framework_calls"]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Frameworks(process)
        process.kill()  # to end by itself takes it seconds
