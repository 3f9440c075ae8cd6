"""What the command says of a gateway's file, and what it never shows."""

import json
from pathlib import Path

import pytest

from tests.gateway.upstreams.around import KEYS
from tests.scripts.conftest import Command

EXAMPLE = Path(__file__).parents[2] / "deploy" / "gateway.example.toml"
FILE = """
[upstreams.groq]
models = ["gpt-4o", "llama"]
[upstreams.openai]
key_file = "key"
models = ["gpt-4o"]
[upstreams.mine]
format = "openai"
base_url = "http://llm.example.com/v1"
key_env = "MISTRAL_API_KEY"
models = ["my-*"]
[models.fast]
to = "groq/llama"
fallbacks = ["mine/my-own"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text("sk-from-a-file")
    path = tmp_path / "gateway.toml"
    path.write_text(FILE)
    return path


def test_the_example_can_be_used_and_says_where_each_name_goes(
    usage: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "llm_key").write_text("sk-from-a-file")
    copy = tmp_path / "example.toml"
    copy.write_text(EXAMPLE.read_text().replace("/run/secrets/llm_key", "llm_key"))
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    asked = [part for name in ("gpt-4o", "smart", "claude-latest", "llama3.2") for part in ("--model", name)]

    done = usage("scripts.gateway", "check", str(copy), "--json", *asked)

    found = json.loads(done.stdout)
    assert (done.returncode, found["notes"]) == (0, [])
    assert [(row["model"], row["asked as"], row["goes to"]) for row in found["models"]] == [
        ("gpt-4o", "openai", "openai/gpt-4o"),
        (
            "smart",
            "openai",
            "azure/prod-gpt-4o, then openai/gpt-4o, then groq/llama-3.1-8b-instant, then openai/gpt-4o-mini",
        ),
        ("claude-latest", "anthropic", "anthropic/claude-sonnet-4-5"),
        ("llama3.2", "openai", "ollama/llama3.2"),
    ]
    assert {row["upstream"]: (row["format"], row["prices"]) for row in found["upstreams"]} == {
        "openai": ("openai", "openai"),
        "anthropic": ("anthropic", "anthropic"),
        "gemini": ("gemini", "google"),
        "groq": ("openai", "groq"),
        "mistral": ("openai", "mistral"),
        "deepseek": ("openai", "deepseek"),
        "openrouter": ("openai", "openrouter"),
        "together": ("openai", "together"),
        "azure": ("openai", "azure"),
        "azure-classic": ("openai", "azure"),
        "ollama": ("openai", "ollama"),
        "vllm": ("openai", "vllm"),
        "elsewhere": ("openai", "fireworks"),
    }


def test_what_may_not_be_meant_is_noted_and_no_key_is_shown(
    usage: Command, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)

    shown = usage("scripts.gateway", "check", str(file), "--model", "nobody's")
    done = usage("scripts.gateway", "check", str(file), "--model", "nobody's", "--json")

    found = json.loads(done.stdout)
    assert (shown.returncode, done.returncode) == (3, 3)
    assert found["models"] == [{"model": "nobody's", "asked as": "", "goes to": ""}]
    assert found["names"] == [{"name": "fast", "goes to": "groq/llama, then mine/my-own"}]
    assert [row["key"] for row in found["upstreams"]] == ["env GROQ_API_KEY", "file key", "env MISTRAL_API_KEY"]
    assert found["notes"] == [
        "mine: its key goes over http://, where anybody on the way can read it",
        "mine: no price list has mine; provider names whose prices its calls have",
        "gpt-4o: openai lists it, too, and is not asked: groq comes first in the file",
    ]
    assert "look at gpt-4o: openai lists it, too" in shown.stdout
    assert "sk-from-a-file" not in shown.stdout + done.stdout + shown.stderr
    assert not any(key in shown.stdout + done.stdout for key in KEYS.values())


def test_an_address_without_its_version_is_noted(usage: Command, tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text('[upstreams.a]\nformat = "openai"\nprovider = "openai"\nbase_url = "http://127.0.0.1:1/"\n')

    done = usage("scripts.gateway", "check", str(path), "--json")

    assert json.loads(done.stdout)["notes"] == [
        "a: its base_url has no path; that of most servers ends with /v1",
    ]


def test_a_file_that_cannot_be_used_is_told_by_line_and_field(
    usage: Command, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    monkeypatch.delenv("GROQ_API_KEY", raising=False)

    done = usage("scripts.gateway", "check", str(file))

    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be used: line 2, [upstreams.groq], key_env leads to GROQ_API_KEY, which is not in" in done.stderr
    assert usage("scripts.gateway", "check").stderr == (
        "there is no FILE, and TWINMETER_GATEWAY_FILE is not set: name one of them\n"
    )
