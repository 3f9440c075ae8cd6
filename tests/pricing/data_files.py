"""genai-prices' data file, as it publishes it, made of the installed package's own providers."""

import dataclasses
import json
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal
from functools import cache
from typing import Any

from genai_prices.data import providers
from genai_prices.types import ModelPrice

Raw = list[dict[str, Any]]


def data_file(change: Callable[[Raw], None] = lambda _: None) -> bytes:
    """The file, after `change` changed what is in it."""
    raw = json.loads(_packaged())
    change(raw)
    return json.dumps(raw).encode()


def model_of(raw: Raw, provider: str, model: str) -> dict[str, Any]:
    models = next(each for each in raw if each["id"] == provider)["models"]
    found: dict[str, Any] = next(each for each in models if each["id"] == model)
    return found


@cache
def _packaged() -> str:
    return json.dumps(_plain(providers))


def _plain(value: Any) -> Any:
    if isinstance(value, ModelPrice):
        return _plain({key: price for key, price in vars(value).items() if price is not None})
    if dataclasses.is_dataclass(value):
        fields = (field.name for field in dataclasses.fields(value) if not field.name.startswith("_"))
        return {name.rstrip("_"): _plain(found) for name in fields if (found := getattr(value, name)) is not None}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return value.isoformat() if isinstance(value, date | time) else value
