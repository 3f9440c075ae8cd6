"""What an application hands over is made sendable: JSON has few kinds of values, and the server takes flat metadata.

Nothing here raises, whatever a value does when it is looked at.
"""

from __future__ import annotations

import json
import math
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

MOST_METADATA_KEYS = 32
MOST_METADATA_BYTES = 4_096
MOST_KEY_CHARACTERS = 64
MOST_TEXT = 256
"""Characters that are kept of the text of a value that is none of JSON's."""
DEEPEST = 8
MOST_DIGITS = 100
"""Of a Decimal that is sent in full: 1E+999999 would have a million."""
MOST_BITS = 63
"""Of a number in metadata."""
MOST_INTEGER_BITS = 1_024
"""Of one that is sent in full; Python writes none of more than 4,300 digits."""
_MONEY = frozenset({"cost", "audioSeconds", "videoSeconds"})
"""Sent as texts, with all their digits."""

dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def plain(value: Any, name: str = "", depth: int = 0) -> Any:
    """The nearest to `value` that JSON can hold, as the field `name`; None where nothing is near, such as NaN."""
    try:
        if isinstance(value, (str, int, float, Decimal)) or value is None:
            return _scalar(value, name)
        return _compound(value, name, depth) if depth < DEEPEST else text_of(value)
    except Exception:
        return text_of(value)


def text_of(value: Any, most: int = MOST_TEXT) -> str:
    """A value as a text of so many characters at most."""
    try:
        return _unicode(str(value))[:most]
    except Exception:
        return f"<{type(value).__name__}>"


def _scalar(value: Any, name: str) -> Any:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return _unicode(value)
    if isinstance(value, Decimal) and value.is_finite() and name in _MONEY and abs(value.adjusted()) < MOST_DIGITS:
        return format(value, "f")
    if isinstance(value, (float, Decimal)):
        number = float(value)  # of a Decimal that is too large: infinite
        return number if math.isfinite(number) else None
    if value is None or isinstance(value, bool):
        return value
    return int(value) if value.bit_length() <= MOST_INTEGER_BITS else text_of(value)


def _unicode(text: str) -> str:
    return str.encode(text, "utf-8", "replace").decode()


def _compound(value: Any, name: str, depth: int) -> Any:
    if isinstance(value, dict):
        return {text_of(key): plain(item, "", depth + 1) for key, item in list(value.items())}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, "", depth + 1) for item in list(value)]
    if isinstance(value, (Enum, date)):
        return plain(value.value, name, depth + 1) if isinstance(value, Enum) else value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return bytes(value[:MOST_METADATA_BYTES]).decode("utf-8", "replace")
    for method in ("model_dump", "to_dict", "item"):  # Pydantic, the SDKs of providers, NumPy
        told = _asked(value, method)
        if isinstance(told, (dict, bool, int, float, str)):
            return plain(told, name, depth + 1)
    return text_of(value)


def _asked(value: Any, method: str) -> Any:
    try:
        return getattr(value, method)()
    except Exception:  # it has none, or not without arguments
        return None


def flat(metadata: Any) -> tuple[dict[str, Any], bool]:
    """A copy of `metadata` that the server takes, and whether something of it had to be changed for that.

    Values that are no scalars become JSON texts. What would make it too large is left out, the longest first.
    """
    if not isinstance(metadata, dict):
        return {"value": text_of(metadata)}, True
    kept: dict[str, Any] = {}
    changed = len(metadata) > MOST_METADATA_KEYS
    for key, value in list(metadata.items())[:MOST_METADATA_KEYS]:
        name, scalar = _key(key), _flat_value(value)
        changed = changed or name is not key or scalar is not value
        kept[name] = scalar
    sizes = {name: len(name.encode()) + len(str(value).encode()) for name, value in kept.items()}
    while sum(sizes.values()) > MOST_METADATA_BYTES:
        longest = max(sizes, key=sizes.__getitem__)
        del sizes[longest], kept[longest]
        changed = True
    return kept, changed


def _key(key: Any) -> str:
    name = key if isinstance(key, str) else text_of(key)
    if 0 < len(name) <= MOST_KEY_CHARACTERS and name[0] != "$" and "." not in name and name.isprintable():
        return name
    mended = "".join(letter if letter.isprintable() and letter != "." else "_" for letter in name[:MOST_KEY_CHARACTERS])
    return mended.replace("$", "_", 1) if mended.startswith("$") else mended or "_"


def _flat_value(value: Any) -> Any:
    """A text, number, boolean or None; the same object where it can be sent as it is."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _short(value) if value.isascii() else _short(_same(value, _unicode(value)))
    if isinstance(value, int):
        return value if value.bit_length() <= MOST_BITS else text_of(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    told = plain(value)
    return told if told is None or isinstance(told, (bool, int, float)) else _short(_json(told))


def _same(value: str, mended: str) -> str:
    return value if value == mended else mended


def _json(told: Any) -> str:
    return told if isinstance(told, str) else dumps(told)


def _short(text: str) -> str:
    return text if len(text) <= MOST_METADATA_BYTES else f"(left out: {len(text):,} characters)"
