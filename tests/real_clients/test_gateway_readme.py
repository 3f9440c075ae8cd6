"""What README.md and docs/gateway.md tell to paste, word for word, against a real gateway."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from client.tests.ledger import entries
from tests.patience import patience
from tests.real_clients.frameworks import Frameworks, frameworks
from tests.real_clients.gateway import Gateway, gateway
from tests.test_server import ROOT

__all__ = ["frameworks", "gateway"]


def section(page: str, title: str) -> str:
    return (ROOT / page).read_text().partition(f"\n{title}\n")[2].partition("\n## ")[0]


CLIENTS = section("docs/gateway.md", "## Clients")
BLOCKS: dict[str, tuple[str, str]] = {
    name: (language, lines)
    for name, language, lines in re.findall(r"(?s)\n\*([\w -]+)\*(?:(?!```).)*```(\w+)\n(.*?)```", CLIENTS)
}
"""By what stands in italics before them: their language and their lines."""
MODELS = {"Anthropic": "claude-opus-4-6", "Gemini": "gemini-2.5-flash", "Groq": "llama-3.3-70b-versatile"}
MODELS |= {"Mistral": "mistral-small-latest"}
PYTHON = [name for name, (language, _) in BLOCKS.items() if language == "python"]


@pytest.fixture
def told(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """The gateway, of which the environment says what the page tells to set."""
    for name in [each for each in os.environ if each.startswith(("OPENAI_", "ANTHROPIC_", "GOOGLE_", "GEMINI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TWINMETER_URL", gateway.site.base)
    monkeypatch.setenv("TWINMETER_KEY", gateway.site.key)
    return gateway


def ran(gateway: Gateway) -> list[str]:
    return [entry.model for entry in gateway.ledger()]


def test_each_client_has_its_lines() -> None:
    assert list(BLOCKS) == [
        *["OpenAI", "Anthropic", "Gemini", "Groq", "Mistral", "LangChain", "pydantic-ai", "LiteLLM"],
        *["Vercel AI SDK", "curl", "Claude Code", "Codex"],
    ]


@pytest.mark.parametrize("name", PYTHON)
def test_the_lines_of_a_client_are_a_call_in_the_ledger(told: Gateway, frameworks: Frameworks, name: str) -> None:
    frameworks.run(BLOCKS[name][1], {"TWINMETER_URL": told.site.base, "TWINMETER_KEY": told.site.key})
    assert ran(told) == [MODELS.get(name, "gpt-4o-2024-08-06")]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_lines_for_node_are_a_call_in_the_ledger(told: Gateway, tmp_path: Path) -> None:
    (tmp_path / "mine.mjs").write_text(BLOCKS["Vercel AI SDK"][1])
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    subprocess.run(["node", "mine.mjs"], cwd=tmp_path, check=True, timeout=patience(30))
    assert ran(told) == ["gpt-4o-2024-08-06"]


def test_curl_names_the_user(told: Gateway) -> None:
    subprocess.run(["sh", "-euc", BLOCKS["curl"][1]], check=True, capture_output=True, timeout=patience(30))
    (entry,) = entries(told.deployment, told.account)
    assert (entry["userId"], entry["aiModel"]) == ("u1", "gpt-4o-2024-08-06")


def test_claude_code_and_codex_are_told_what_they_read() -> None:
    assert set(re.findall(r"(ANTHROPIC_\w+)=", BLOCKS["Claude Code"][1])) == {
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_CUSTOM_HEADERS",
    }
    codex: Any = tomllib.loads(BLOCKS["Codex"][1])
    assert codex["model_providers"][codex["model_provider"]]["wire_api"] == "responses"


def test_the_lines_of_the_readme_print_what_the_model_says(told: Gateway) -> None:
    shown = section("README.md", "## The gateway")
    (variables,) = re.findall(r"(?s)```sh\n(.*?)```", shown)
    (lines,) = re.findall(r"(?s)```python\n(.*?)```", shown)
    assert re.findall(r"export (\w+)=", variables) == ["OPENAI_BASE_URL", "OPENAI_API_KEY"]
    env = {**os.environ, "OPENAI_BASE_URL": told.site.v1, "OPENAI_API_KEY": told.site.key}
    command = [sys.executable, "-c", lines]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=patience(30), check=True)
    assert done.stdout == "You said: Hello\n"
    assert ran(told) == ["gpt-4o-2024-08-06"]
