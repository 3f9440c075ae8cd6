"""What operators and proxies may name: a prefix becomes part of pages, an origin is compared letter by letter."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.addresses import network_of, origin_of, prefix_of
from app.settings import Settings

NO_PREFIX = [
    "twinmeter",
    "//evil.example",
    "/a//b",
    "///",
    "javascript:alert(1)",
    "/javascript:alert(1)",
    "/../admin",
    "/a/..",
    "/./a",
    '/"><script>',
    "/a'b",
    "/a b",
    "/a\r\nSet-Cookie: x=1",
    "/a\n",
    "/a;b",
    "/a?b",
    "/a#b",
    "/%2e%2e/a",
    "/\\evil.example",
    "/ä",
    "https://evil.example/a",
    "/a, /b",
    "/" + "a" * 256,
]


@pytest.mark.parametrize(
    ("said", "prefix"),
    [("", ""), ("/", ""), ("/twinmeter", "/twinmeter"), ("/tools/twin-meter_2.0~/", "/tools/twin-meter_2.0~")],
)
def test_a_prefix_is_a_plain_path(said: str, prefix: str) -> None:
    assert prefix_of(said) == prefix


@pytest.mark.parametrize("said", NO_PREFIX)
def test_what_is_more_than_a_plain_path_is_no_prefix(said: str) -> None:
    with pytest.raises(ValueError, match="must be a path such as /twinmeter"):
        prefix_of(said)


@pytest.mark.parametrize(
    ("said", "origin"),
    [
        ("https://Shop.example", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://[::1]:80", "http://[::1]"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
def test_an_origin_is_written_as_browsers_send_it(said: str, origin: str) -> None:
    assert origin_of(said) == origin


@pytest.mark.parametrize(
    "said",
    ["*", "null", "shop.example", "https://shop.example/", "https://*.example", "https://a@b.example", "https://ä"],
)
def test_what_is_no_single_origin_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        origin_of(said)


def test_a_network_is_an_address_or_a_range() -> None:
    assert [network_of(said) for said in ("10.0.0.0/8", "127.0.0.1", "::1")] == ["10.0.0.0/8", "127.0.0.1", "::1"]
    for said in ("proxy.internal", "10.0.0.1/8", "*", ""):
        with pytest.raises(ValueError, match="not an IP address or a network"):
            network_of(said)


def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(f"TWINMETER_{name}", value)
    return Settings(_env_file=None, data_dir=tmp_path)


def test_the_environment_names_several_with_commas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, Any] = {
        "ROOT_PATH": "/twinmeter/",
        "TRUSTED_PROXIES": "10.0.0.0/8, 192.168.1.5",
        "CORS_ORIGINS": "https://shop.example,https://Admin.shop.example:443",
    }
    found = settings(tmp_path, monkeypatch, **said)

    assert found.root_path == "/twinmeter"
    assert found.trusted_proxies == ("10.0.0.0/8", "192.168.1.5")
    assert found.cors_origins == ("https://shop.example", "https://admin.shop.example")


def test_unless_something_is_said_only_this_machine_is_trusted_and_no_other_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = settings(tmp_path, monkeypatch)
    assert (usual.root_path, usual.trusted_proxies, usual.cors_origins) == ("", ("127.0.0.1", "::1"), ())
    assert settings(tmp_path, monkeypatch, TRUSTED_PROXIES="none").trusted_proxies == ()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ROOT_PATH", "//evil.example", "must be a path such as /twinmeter"),
        ("CORS_ORIGINS", "*", "name each one exactly, such as https://shop.example"),
        ("TRUSTED_PROXIES", "nginx", "'nginx' is not an IP address or a network such as 10.0.0.0/8"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(tmp_path, monkeypatch, **{name: value})
