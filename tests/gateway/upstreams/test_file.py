"""A file that cannot be used says in which line, table and field, and what to do; it never shows a value."""

import re
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.gateway.upstreams.file import GatewayFileError, read
from tests.gateway.upstreams.around import catalog_of

OPENAI = "[upstreams.openai]\n"
BOTH = "[upstreams.openai]\n[upstreams.anthropic]\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "cannot be used: upstreams is missing"),
        ("[upstreams", "it is not TOML: Expected ']' at the end of a table declaration (at end of document)"),
        ("upstreams = 3", "line 1, upstreams should be a valid dictionary"),
        ("[upstreams]", "line 1, upstreams Dictionary should have at least 1 item after validation, not 0"),
        (f'[defaults]\nvideos = "a"\n{OPENAI}', "line 2, [defaults], videos is no field; there are chat, image, video"),
        (
            f'[defaults]\nchat = "a"\n{OPENAI}models = ["b"]',
            "line 2, [defaults], chat names a model that no upstream serves",
        ),
        (
            "[upstream.x]\n" + OPENAI,
            "line 1, upstream is no field; there are unknown_models, upstreams, models, defaults",
        ),
        (
            OPENAI + "timeout = 3",
            (
                "line 2, [upstreams.openai], timeout is no field; there are format, base_url, key_env, key_file, "
                "key_header, provider, models, stream_usage, headers, query, connect_seconds, first_byte_seconds, "
                "silence_seconds"
            ),
        ),
        (
            OPENAI + "\n# mine\nkey = 'sk-pasted'",
            (
                "line 4, [upstreams.openai], key is no field; a key is never in this file: key_env names the "
                "environment variable that has it, key_file the file"
            ),
        ),
        (
            OPENAI + "key_env = 'sk-pasted'",
            (
                "line 2, [upstreams.openai], key_env must be the name of an environment variable, in capitals: "
                "OPENAI_API_KEY, and not the key"
            ),
        ),
        (
            OPENAI + "key_env = 'MY_KEY'",
            (
                "line 2, [upstreams.openai], key_env leads to MY_KEY, which is not in the server's environment, nor in "
                "its .env file"
            ),
        ),
        (
            OPENAI + "key_file = 'gone'",
            "line 2, [upstreams.openai], key_file names a file that cannot be read: No such file or directory",
        ),
        (
            OPENAI + "key_env = 'OPENAI_API_KEY'\nkey_file = 'x'",
            "line 3, [upstreams.openai], key_file is there beside key_env: one of them has the key",
        ),
        (
            OPENAI + "format = 'cohere'",
            "line 2, [upstreams.openai], format should be 'openai', 'anthropic' or 'gemini'",
        ),
        (OPENAI + "models = 'gpt-4o'", "line 2, [upstreams.openai], models should be a valid list"),
        (
            OPENAI + "models = [\n  'gpt-4o',\n  '',\n]",
            "line 2, [upstreams.openai], models[1] must be the name of a model, of 1 to 256 characters",
        ),
        (
            OPENAI + "connect_seconds = '5'",
            "line 2, [upstreams.openai], connect_seconds should be a valid number",
        ),
        (
            OPENAI + "connect_seconds = 0",
            "line 2, [upstreams.openai], connect_seconds should be greater than or equal to 0.1",
        ),
        (
            "[upstreams.mine]",
            "line 1, [upstreams.mine], base_url is missing; line 1, [upstreams.mine], format is missing: ",
        ),
        (
            "[upstreams.azure]",
            "line 1, [upstreams.azure], base_url is missing, such as https://RESOURCE.openai.azure.com/openai/v1",
        ),
        ("[upstreams.'a/b']\nprovider = 'groq'", "line 1, [upstreams.'a/b'] is no name of an upstream: "),
        (
            OPENAI + "headers = { Host = 'x' }",
            "line 2, [upstreams.openai], headers.Host is one that the gateway sets itself: leave it out",
        ),
        (
            OPENAI + '[upstreams.openai.headers]\nX-A = "a\\r\\nX-B: c"',
            "line 3, [upstreams.openai], headers.X-A must be one line of plain ASCII",
        ),
        (OPENAI + "headers = { 'X A' = 'x' }", "headers.'X A' must be the name of a header, such as HTTP-Referer"),
        ("unknown_models = 'ask'\n" + OPENAI, "line 1, unknown_models should be 'pass' or 'refuse'"),
        (OPENAI + "[models.fast]", "line 2, [models.fast], to is missing"),
        (
            OPENAI + "[models.fast]\nto = 'gpt-4o'",
            "line 3, [models.fast], to must be upstream/model, or another name of [models]",
        ),
        (
            OPENAI + "[models.fast]\nto = 'azure/gpt-4o'",
            "line 3, [models.fast], to names an upstream that is not there; there are openai",
        ),
        (
            BOTH + "[models.fast]\nto = 'openai/gpt-4o'\nfallbacks = ['anthropic/claude-x']",
            (
                "line 5, [models.fast], fallbacks[0] leads to anthropic, which speaks anthropic, and openai before it "
                "speaks openai: a request is not translated"
            ),
        ),
        (
            OPENAI + "[models.a]\nto = 'b'\n[models.b]\nto = 'openai/x'\nfallbacks = ['c']\n[models.c]\nto = 'a'",
            "line 3, [models.a], to goes round in circles: a → b → c → a",
        ),
        (OPENAI + "[models.a]\nto = 'a'", "line 3, [models.a], to goes round in circles: a → a"),
    ],
)
def test_a_fault_is_told_by_line_table_and_field(text: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(fault)) as caught:
        catalog_of(text, tmp_path)

    assert f"TWINMETER_GATEWAY_FILE: {tmp_path / 'gateway.toml'} cannot be used: " in str(caught.value)
    assert "pasted" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("ftp://host/v1", "must be an http:// or https:// address with a host"),
        ("api.openai.com/v1", "must be an http:// or https:// address with a host"),
        ("https:///v1", "must be an http:// or https:// address with a host"),
        ("https://[::1/v1", "is no address"),
        ("https://host:99999/v1", "is no address"),
        ("https://api openai.com", "must be an http:// or https:// address"),
        ("https://user:pasted@host/v1", "has a user or a password in it: name the key in key_env or key_file instead"),
        ("https://host/v1?api-key=pasted", "has a query or a fragment"),
        ("https://host/v1/chat/completions", "ends with an operation: leave that out"),
        ("https://{model}/v1", "may have {model} in its path, and no other braces"),
        ("https://host/{name}/v1", "may have {model} in its path, and no other braces"),
        ("http://localhost:8000/v1", "leads to this gateway itself"),
        ("http://127.0.0.1:8000/v1", "leads to this gateway itself"),
        ("http://[::1]:8000", "leads to this gateway itself"),
        ("http://0.0.0.0:8000", "leads to this gateway itself"),
        ("https://METER.example/v1", "leads to this gateway itself"),
        ("https://meter.example:443/v1", "leads to this gateway itself"),
    ],
)
def test_a_base_url_that_cannot_be_one_is_refused(url: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(GatewayFileError, match=re.escape(f"line 3, [upstreams.mine], base_url {fault}")) as caught:
        catalog_of(f"[upstreams.mine]\nformat = 'openai'\nbase_url = '{url}'", tmp_path)

    assert "pasted" not in str(caught.value)
    assert caught.value.where == "line 3, base_url"


@pytest.mark.parametrize(("name", "version"), [("anthropic", "v1"), ("gemini", "v1beta")])
def test_a_version_that_the_paths_have_is_not_in_the_base_url(name: str, version: str, tmp_path: Path) -> None:
    with pytest.raises(GatewayFileError, match=f"ends with {version}: leave that out, the gateway adds it for {name}"):
        catalog_of(f"[upstreams.{name}]\nbase_url = 'https://proxy.example/{version}/'", tmp_path)


def test_another_port_of_this_machine_is_another_server(tmp_path: Path) -> None:
    text = "[upstreams.mine]\nformat = 'openai'\nbase_url = 'http://127.0.0.1:8001/v1/'"

    assert catalog_of(text, tmp_path).upstreams["mine"].base_url == "http://127.0.0.1:8001/v1"


def test_all_faults_are_told_at_once_up_to_ten(tmp_path: Path) -> None:
    with pytest.raises(GatewayFileError) as caught:
        catalog_of(OPENAI + "\n".join(f"x{number} = 1" for number in range(12)), tmp_path)

    assert str(caught.value).count("is no field") == 10
    assert str(caught.value).endswith("; and 2 more")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"\xff", "line 1: it is not UTF-8"),
        (b"x = 1\ny = '\xff'", "line 2: it is not UTF-8"),
        (b"#" * 1_000_001, "it has more than 1,000,000 bytes"),
        (b"x = " + b"[" * 100_000, "it is not TOML: "),
    ],
)
def test_what_is_no_text_of_toml_is_said_to_be_none(content: bytes, fault: str, tmp_path: Path) -> None:

    (tmp_path / "gateway.toml").write_bytes(content)
    with pytest.raises(GatewayFileError, match=re.escape(fault)):
        read(tmp_path / "gateway.toml")


def test_a_file_that_is_not_there_is_said_not_to_be_there(tmp_path: Path) -> None:

    with pytest.raises(GatewayFileError, match="it cannot be read: No such file or directory"):
        read(tmp_path / "gone.toml")
