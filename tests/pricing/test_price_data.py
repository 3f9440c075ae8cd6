"""genai-prices' data file is read to the digit, or refused with its reason."""

import dataclasses
import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from app.pricing import price_data
from app.pricing.price_data import PriceDataError, newest_price, read_providers, refusal, table_of, version_of
from app.pricing.token_prices import TokenPrices
from models import TokenUsage
from tests.pricing.data_files import Raw, data_file, model_of
from tests.pricing.test_costs import AT

TODAY = date(2026, 11, 30)


def test_what_the_package_was_built_from_is_read_as_the_very_same() -> None:
    assert read_providers(data_file()) == [dataclasses.replace(p, extractors=None) for p in price_data.bundled()]


def test_a_price_is_read_to_the_digit() -> None:
    def dearer(raw: Raw) -> None:
        model_of(raw, "openai", "gpt-4o")["prices"]["input_mtok"] = 2.6000000000000001

    table = table_of(read_providers(data_file(dearer).replace(b"2.6,", b"2.600000000000000123,")), "x 1")
    model = table.resolve("gpt-4o", "openai")

    assert model is not None
    price = model.price(TokenUsage(input_tokens=1_000_000), AT)
    assert price is not None
    assert (price.cost, table.version) == (Decimal("2.600000000000000123"), "x 1")


def test_its_version_says_the_day_and_what_is_in_it() -> None:
    data = data_file()

    assert version_of(data, TODAY) == f"genai-prices data 2026-11-30 ({price_data.hash_of(data)[:8]})"
    assert TokenPrices().version == "genai-prices 0.2.3"


def no_prices(raw: Raw) -> None:
    del raw[0]["models"][0]["prices"]["input_mtok"]
    raw[0]["models"][0]["prices"]["output_mtok"] = "much"


def negative(raw: Raw) -> None:
    model_of(raw, "openai", "gpt-4o")["prices"]["input_mtok"] = -1


def infinite(raw: Raw) -> None:
    model_of(raw, "openai", "gpt-4o")["prices"]["input_mtok"] = {"base": 1, "tiers": [{"start": 1, "price": 1e999}]}


def twice(raw: Raw) -> None:
    raw.append(raw[0])


def nameless(raw: Raw) -> None:
    del raw[0]["models"][0]["id"]


def unmatched(raw: Raw) -> None:
    raw[0]["models"][0]["match"] = {}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not JSON"),
        (data_file()[:100_000], "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"providers": []}', "is not genai-prices' data: a list of providers"),
        (b"[]", "is not genai-prices' data: a list of providers"),
        (b"[1]", "is not genai-prices' data: a list of providers"),
        (b'[{"id": "openai"}]', "is not genai-prices' data: 0."),
        (b'{"gpt-4o": {"input_cost_per_token": 1}}', "is not genai-prices' data"),
        (data_file(no_prices), "is not genai-prices' data"),
        (data_file(nameless), "is not genai-prices' data"),
        (data_file(unmatched), "is not genai-prices' data"),
        (data_file(negative), "is not usable: openai/gpt-4o: a price is not a number of zero or more"),
        (data_file(infinite), "is not "),
        (data_file(twice), "is not usable: anthropic is there twice"),
    ],
)
def test_a_broken_file_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(PriceDataError) as raised:
        read_providers(data)

    assert str(raised.value).startswith(reason)
    assert len(str(raised.value)) < 1_000


def test_a_file_that_is_too_large_is_not_even_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_data, "MAX_BYTES", 10)

    with pytest.raises(PriceDataError, match="more than 10 bytes"):
        read_providers(data_file())


def undated(raw: Raw) -> None:
    for provider in raw:
        for model in provider["models"]:
            dated: list[Any] = model["prices"] if isinstance(model["prices"], list) else []
            for each in (*dated, *model.get("price_variants", ())):
                if (each.get("constraint") or {}).get("start_date", "") > "2026-06-01":
                    each["constraint"]["start_date"] = "2026-06-01"


def a_part(raw: Raw) -> None:
    raw[:] = [each for each in raw if each["id"] != "openai"]


def few(raw: Raw) -> None:
    for provider in raw:
        provider["models"] = provider["models"][:1] if provider["id"] == "openrouter" else provider["models"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            data_file(undated),
            "is older than the table in use: its newest price is of 2026-06-01, and that of the table",
        ),
        (data_file(a_part), "is not a whole table: it has no prices of openai"),
        (data_file(few), "is not a whole table: it has 1,408 models, and the table in use has 2,330"),
    ],
)
def test_an_older_file_or_a_part_is_refused(data: bytes, reason: str) -> None:
    said = refusal(read_providers(data), price_data.bundled(), TODAY)

    assert said is not None
    assert said.startswith(reason)


def test_the_same_and_a_newer_file_are_taken() -> None:
    def newer(raw: Raw) -> None:
        prices = model_of(raw, "openai", "gpt-4o")
        later = {"constraint": {"start_date": "2026-11-29"}, "prices": {"input_mtok": 3, "output_mtok": 9}}
        prices["prices"] = [{"prices": prices["prices"]}, later]

    for data in (data_file(), data_file(newer), json.dumps(json.loads(data_file()), indent=2).encode()):
        assert refusal(read_providers(data), price_data.bundled(), TODAY) is None
    assert newest_price(read_providers(data_file(newer)), TODAY) == date(2026, 11, 29)
    assert newest_price(price_data.bundled(), TODAY) == date(2026, 11, 9)
