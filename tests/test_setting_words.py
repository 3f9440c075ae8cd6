"""What is said of settings that cannot be used, and of names that mean nothing."""

from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.setting_words import settings_here, unknown_settings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "abc", "TWINMETER_PORT must be a whole number; "),
        ("PORT", "70000", "TWINMETER_PORT must be at most 65535; "),
        ("WORKERS", "0", "TWINMETER_WORKERS must be at least 1; "),
        ("DRAIN_SECONDS", "soon", "TWINMETER_DRAIN_SECONDS must be a number; "),
        ("SHOW_SYNTHETIC", "perhaps", "TWINMETER_SHOW_SYNTHETIC must be true or false; "),
        ("LOG_LEVEL", "loud", "TWINMETER_LOG_LEVEL must be 'debug', 'info', 'warning' or 'error'; "),
        (
            "TIMEZONE",
            "Berlin",
            "TWINMETER_TIMEZONE must be an IANA time zone, such as Europe/Berlin or UTC; 'Berlin' is",
        ),
        (
            "JWT_SECRET",
            "hunter2",
            "TWINMETER_JWT_SECRET must have at least 32 bytes; `openssl rand -hex 32` makes one; ",
        ),
        ("JWT_ROLES", "shop=boss", "TWINMETER_JWT_ROLES (shop) must be 'admin', 'service' or 'user'; "),
        ("JWKS_URL", "http://id.example", "TWINMETER_JWKS_URL must be an https:// address; http:// is only for this"),
        (
            "CORS_ORIGINS",
            "https://a/b",
            "TWINMETER_CORS_ORIGINS: 'https://a/b' is not an origin: name each one exactly",
        ),
        ("DATABASE", "a b", "TWINMETER_DATABASE must be 1 to 38 letters, digits, - and _; "),
        (
            "SMTP_FROM",
            "nobody",
            "TWINMETER_SMTP_FROM must be an e-mail address, also as twinmeter <alerts@shop.example>",
        ),
        ("PUBLIC_URL", "shop", "TWINMETER_PUBLIC_URL must be an address such as https://twinmeter.example or "),
    ],
)
def test_an_error_names_the_variable_and_the_way_out(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"TWINMETER_{name}", value)

    with pytest.raises(ConfigurationError) as failed:
        settings_here()

    assert str(failed.value).startswith(said)
    assert str(failed.value).endswith(".env.example explains each setting")
    assert "pydantic" not in str(failed.value)
    assert "hunter2" not in str(failed.value)


def test_all_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWINMETER_PORT", "abc")
    monkeypatch.setenv("TWINMETER_DATABASE", "")  # an empty one is none
    monkeypatch.setenv("TWINMETER_SESSION_HOURS", "1000")

    with pytest.raises(ConfigurationError, match=r"^TWINMETER_PORT .*; TWINMETER_SESSION_HOURS must be at most 168; "):
        settings_here()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("TWINMETER_PROT", ["TWINMETER_PROT is unknown: did you mean TWINMETER_PORT?"]),
        ("TWINMETER_MONGODB_URL", ["TWINMETER_MONGODB_URL is unknown: did you mean TWINMETER_MONGODB_URI?"]),
        ("twinmeter_wokers", ["TWINMETER_WOKERS is unknown: did you mean TWINMETER_WORKERS?"]),
        ("TWINMETER_QQQ", ["TWINMETER_QQQ is unknown: it has no effect"]),
        ("TWINMETER_PORT", []),
        ("twinmeter_port", []),
        ("TWINMETER_KEY", []),
        ("PORT", []),
    ],
)
def test_a_mistyped_name_is_told_with_the_nearest_one(name: str, said: list[str]) -> None:
    assert unknown_settings([name]) == said


def test_a_mistyped_name_ends_nothing_and_is_told_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("TWINMETER_PROT", "1")
    (tmp_path / ".env").write_text("TWINMETER_HSOT=0.0.0.0\nTWINMETER_PORT=81\n")

    assert settings_here().port == 81

    assert capsys.readouterr().err == (
        "warning: TWINMETER_HSOT is unknown: did you mean TWINMETER_HOST?\n"
        "warning: TWINMETER_PROT is unknown: did you mean TWINMETER_PORT?\n"
    )
