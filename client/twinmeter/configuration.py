"""Where calls are sent, and what is done where they cannot be."""

from __future__ import annotations

import os
from typing import Any, Callable, NamedTuple

from twinmeter.receipts import Receipt

OnRejected = Callable[[dict[str, Any], Receipt], object]
"""Is handed the row that was refused, as it was sent, and the server's receipt. It runs in the client's thread."""

SETTINGS = ("url", "key", "spool", "on_rejected", "limits_when_away", "limits_timeout")
LIMITS_SECONDS, MOST_LIMITS_SECONDS = 1.0, 60.0
ALLOW, REFUSE = "allow", "refuse"


class Configuration(NamedTuple):
    """The settings of one client."""

    url: str = ""
    """The server's address, with the prefix where there is one: `https://twinmeter.example`. TWINMETER_URL"""
    key: str = ""
    """An API key, or a token, with the scope `ingest`. TWINMETER_KEY"""
    spool: str = ""
    """A file for the calls that memory cannot hold, and for those that are left at the exit. TWINMETER_SPOOL"""
    on_rejected: OnRejected | None = None
    limits_when_away: str = ALLOW
    """What becomes of a call whose limits cannot be checked: `allow` or `refuse`. TWINMETER_LIMITS_WHEN_AWAY"""
    limits_timeout: float = LIMITS_SECONDS
    """Seconds that a caller waits for an answer about limits at most. TWINMETER_LIMITS_TIMEOUT"""

    @property
    def missing(self) -> str:
        """What has to be set before anything can be sent; empty where nothing is missing."""
        names = (("TWINMETER_URL", self.url), ("TWINMETER_KEY", self.key))
        return " and ".join(name for name, value in names if not value)


def configured(**given: Any) -> Configuration:
    """The settings that are given, the others from the environment. Raises ValueError and TypeError."""
    if unknown := given.keys() - set(SETTINGS):
        raise TypeError(f"unknown settings: {', '.join(sorted(unknown))}; there are {', '.join(SETTINGS)}")
    told = {name: value for name, value in given.items() if value is not None}
    for name in ("url", "key", "spool"):
        value = told.get(name, os.environ.get(f"TWINMETER_{name.upper()}", ""))
        told[name] = os.fspath(value).strip() if name == "spool" else str(value).strip()
    told["url"] = checked_url(told["url"])
    if not told["key"].isascii() or not told["key"].isprintable():
        raise ValueError("the key must be printable ASCII; see whether it was copied whole (TWINMETER_KEY)")
    on_rejected = told.get("on_rejected")
    if on_rejected is not None and not callable(on_rejected):
        raise TypeError("on_rejected must be a function of a row and its receipt")
    told["limits_when_away"] = _when_away(told.get("limits_when_away"))
    told["limits_timeout"] = _seconds(told.get("limits_timeout"))
    return Configuration(**told)


def _when_away(given: object) -> str:
    value = given if given is not None else os.environ.get("TWINMETER_LIMITS_WHEN_AWAY", "").strip() or ALLOW
    if value not in {ALLOW, REFUSE}:
        raise ValueError(f"what to do where limits cannot be checked (TWINMETER_LIMITS_WHEN_AWAY): {ALLOW} or {REFUSE}")
    return str(value)


def _seconds(given: object) -> float:
    value = given if given is not None else os.environ.get("TWINMETER_LIMITS_TIMEOUT", "").strip() or LIMITS_SECONDS
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MOST_LIMITS_SECONDS:
        raise ValueError(
            f"seconds to wait for an answer about limits (TWINMETER_LIMITS_TIMEOUT): up to {MOST_LIMITS_SECONDS:g}"
        )
    return seconds


def what_to_set(configuration: Configuration) -> str:
    """The advice to who has not set all that is needed."""
    return f"set {configuration.missing}, or call twinmeter.configure(url=..., key=...)"


def checked_url(url: str) -> str:
    """The address without a slash at its end. Raises ValueError where it is none that can be sent to."""
    if not url:
        return ""
    from urllib.parse import urlsplit  # noqa: PLC0415 - kept out of the import of the package

    parts = urlsplit(url)
    try:
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        port_is_valid = False
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_valid or "@" in parts.netloc:
        raise ValueError(f"not an address to send calls to, such as https://twinmeter.example: {parts.scheme}://…")
    if parts.query or parts.fragment or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("the address of the server (TWINMETER_URL) has parts that it must not have")
    return url.rstrip("/")
