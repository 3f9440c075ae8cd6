"""Prices per image, second and character: the figures that providers publish, compared with ==."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from pathlib import Path

import pytest
from genai_prices.data import providers
from genai_prices.types import ModelInfo, ModelPrice, Usage

from app.errors import ConfigurationError
from app.pricing.lookups import LOOKUPS, MAX_NAME
from app.pricing.media_prices import MediaPrices, PricedMedia
from app.pricing.media_table import TABLE, UNITS, Row, read_table

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ROWS = read_table(TABLE).price
SOURCES = read_table(TABLE).sources


@pytest.fixture(scope="module")
def prices() -> MediaPrices:
    return MediaPrices()


def cost(
    media: PricedMedia | None,
    *,
    images: int = 0,
    video: str | None = None,
    audio: str | None = None,
    characters: int = 0,
    size: str | None = None,
    quality: str | None = None,
    at: datetime = NOW,
) -> Decimal | None:
    assert media is not None
    return media.price(
        images=images,
        video_seconds=None if video is None else Decimal(video),
        audio_seconds=None if audio is None else Decimal(audio),
        characters=characters,
        size=size,
        quality=quality,
        at=at,
    )


# The table that ships


def number_and_model(row: Row) -> str:
    return f"{ROWS.index(row) + 1}-{row.models[0]}"


@pytest.mark.parametrize("row", ROWS, ids=number_and_model)
def test_every_row_says_where_and_when_it_was_read_and_prices_a_call(prices: MediaPrices, row: Row) -> None:
    source = SOURCES[row.source]
    assert source.url.startswith("https://")
    assert date(2023, 1, 1) < source.as_of <= date(2026, 11, 21)

    kind, per = UNITS[row.unit]
    used = {"images": 0, "video_seconds": None, "audio_seconds": None, "characters": 0, kind: Decimal(per)}
    at = datetime(2026, 4, 6, tzinfo=UTC) if row.effective_to < date.max else NOW
    for model in row.models:
        media = prices.resolve(model.replace("*", "25-10-06"), row.provider)
        assert media is not None
        assert (media.provider, media.model) == (row.provider, row.models[0])
        for size, quality in row.conditions():
            assert media.price(**used, size=size, quality=quality, at=at) == row.price  # type: ignore[arg-type]


def test_no_source_is_left_without_a_row() -> None:
    assert set(SOURCES) == {row.source for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=number_and_model)
def test_genai_prices_has_no_price_for_what_a_row_prices(row: Row) -> None:
    keys = {"audio_seconds": "hours", "characters": "mchars", "images": "images", "video_seconds": "video_hours"}
    priced = keys[UNITS[row.unit][0]]
    known = [model for model in map(by_genai_prices, row.models) if model]
    for model in known:
        for listed in price_lists(model):
            assert not [key for key, price in vars(listed).items() if price is not None and key.endswith(priced)]


def by_genai_prices(name: str) -> ModelInfo | None:
    found = (provider.find_model(name.rstrip("*")) for provider in providers)
    return next((model for model in found if model), None)


def price_lists(model: ModelInfo) -> list[ModelPrice]:
    return [model.prices] if isinstance(model.prices, ModelPrice) else [listed.prices for listed in model.prices]


def test_two_minutes_of_whisper_cost_0_012_by_genai_prices_alone(prices: MediaPrices) -> None:
    openai = next(provider for provider in providers if provider.id == "openai")
    whisper = openai.find_model("whisper-1")
    assert whisper is not None
    used = Usage(audio_seconds=120, input_audio_seconds=120)
    with localcontext(prec=28):
        price = whisper.calc_price(used, openai, genai_request_timestamp=NOW)

    assert price.total_price == Decimal("0.012")
    assert prices.resolve("whisper-1", "openai") is None


@pytest.mark.parametrize(
    ("model", "size", "quality", "usd"),
    [
        ("dall-e-3", "1024x1024", "standard", "0.040"),
        ("dall-e-3", "1792x1024", "standard", "0.080"),
        ("dall-e-3", "1024x1024", "hd", "0.080"),
        ("dall-e-3", "1024x1792", "hd", "0.120"),
        ("dall-e-2", "1024x1024", None, "0.020"),
        ("dall-e-2", "512x512", None, "0.018"),
        ("dall-e-2", "256x256", "standard", "0.016"),  # sold in one quality: saying it does not matter
        ("gpt-image-1", "1536x1024", "high", "0.25"),
        ("gpt-image-1-mini", "1024x1024", "low", "0.005"),
        ("flux-pro-1.1", "1440x1440", None, "0.04"),  # one price whatever the size
        ("ideogram-v2", None, None, "0.08"),
        ("ideogram-v3", None, "TURBO", "0.03"),
        ("sd3.5-medium", None, None, "0.035"),
        ("imagen-4.0-ultra-generate-001", "2K", None, "0.06"),
    ],
)
def test_an_image_costs_what_its_size_and_quality_cost(
    prices: MediaPrices, model: str, size: str | None, quality: str | None, usd: str
) -> None:
    media = prices.resolve(model, None)

    assert cost(media, images=1, size=size, quality=quality) == Decimal(usd)
    assert cost(media, images=3, size=size, quality=quality) == 3 * Decimal(usd)


@pytest.mark.parametrize(
    ("model", "size", "seconds", "usd"),
    [
        ("gen4_turbo", None, "5", "0.25"),
        ("ray-2", "720p", "5", "0.7077888"),
        ("ray-flash-2", "960x540", "1", "0.02737152"),
        ("veo-3.1-generate-001", "4k", "8", "4.8"),
        ("sora-2", "720x1280", "12", "1.2"),
        ("sora-2-pro-2025-10-06", "1792x1024", "2.5", "1.25"),
    ],
)
def test_a_video_costs_by_the_second(prices: MediaPrices, model: str, size: str | None, seconds: str, usd: str) -> None:
    assert cost(prices.resolve(model, None), video=seconds, size=size) == Decimal(usd)


@pytest.mark.parametrize(
    ("model", "quality", "seconds", "usd"),
    [
        ("gpt-4o-transcribe", None, "90", "0.009"),
        ("nova-3", None, "60", "0.0043"),
        ("nova-3", "streaming", "60", "0.0048"),
        ("universal-2", None, "3600", "0.15"),
        ("universal-2", None, "1", "0.00004166666666666666666666666667"),
    ],
)
def test_audio_costs_by_the_second_that_it_lasts(
    prices: MediaPrices, model: str, quality: str | None, seconds: str, usd: str
) -> None:
    assert cost(prices.resolve(model, None), audio=seconds, quality=quality) == Decimal(usd)


def test_speech_costs_by_the_character(prices: MediaPrices) -> None:
    assert cost(prices.resolve("aura-2-thalia-en", "deepgram"), characters=1_234) == Decimal("0.03702")
    assert cost(prices.resolve("eleven_multilingual_v2", None), characters=1) == Decimal("0.00008")


@pytest.mark.parametrize(
    ("model", "size", "quality", "usd"),
    [
        ("dall-e-3", None, None, "0.040"),
        ("dall-e-3", None, "hd", "0.080"),
        ("dall-e-3", "1024x1792", None, "0.080"),
        ("dall-e-3", " ", "", "0.040"),
    ],
)
def test_what_a_call_leaves_open_is_the_default_rows(
    prices: MediaPrices, model: str, size: str | None, quality: str | None, usd: str
) -> None:
    assert cost(prices.resolve(model, None), images=1, size=size, quality=quality) == Decimal(usd)


@pytest.mark.parametrize(
    ("model", "size", "quality"),
    [
        ("dall-e-3", "512x512", "standard"),
        ("dall-e-3", "1024x1024", "ultra"),
        ("dall-e-3", "1K", None),
        ("gpt-image-1", None, "high"),
        ("gpt-image-1", "auto", "auto"),
        ("ideogram-4.5", None, None),
    ],
)
def test_a_size_or_quality_outside_the_table_is_unpriced(
    prices: MediaPrices, model: str, size: str | None, quality: str | None
) -> None:
    assert cost(prices.resolve(model, None), images=1, size=size, quality=quality) is None


@pytest.mark.parametrize(
    ("size", "quality"),
    [
        ("1024\N{MULTIPLICATION SIGN}1792", "HD"),
        ("1024X1792", " hd "),
        ("1024 x 1792", "Hd"),
        ("1024:1792", "hd"),
    ],
)
def test_spelling_does_not_change_a_price(prices: MediaPrices, size: str, quality: str) -> None:
    assert cost(prices.resolve("DALL-E-3", "OpenAI"), images=1, size=size, quality=quality) == Decimal("0.120")


@pytest.mark.parametrize(
    ("size", "quality"), [("1080p", None), ("1920x1080", None), ("1080P", "high"), (None, "1080p")]
)
def test_a_resolution_is_found_by_each_of_its_names(prices: MediaPrices, size: str | None, quality: str | None) -> None:
    lite = prices.resolve("veo-3.1-lite-generate-001", "gemini")

    assert cost(lite, video="8", size=size, quality=quality) == Decimal("0.64")


def test_what_a_model_does_not_sell_is_unpriced_and_so_is_nothing(prices: MediaPrices) -> None:
    flux = prices.resolve("flux-pro-1.1", None)

    assert cost(flux, video="5") is None
    assert cost(flux, images=1, characters=10) is None
    assert cost(flux) is None
    assert cost(flux, images=0, video="0", audio="0") is None


def test_a_negative_quantity_is_refused(prices: MediaPrices) -> None:
    with pytest.raises(ValueError, match="negative"):
        cost(prices.resolve("flux-pro-1.1", None), images=-1)


def test_a_price_does_not_depend_on_the_ambient_decimal_context(prices: MediaPrices) -> None:
    with localcontext(prec=3):
        assert cost(prices.resolve("ray-2", None), video="5") == Decimal("0.7077888")


WEST = timezone(timedelta(hours=-7))


@pytest.mark.parametrize(
    ("at", "usd"),
    [
        (datetime(2026, 4, 6, 23, 59, 59, 999_999, tzinfo=UTC), "0.15"),
        (datetime(2026, 4, 7, tzinfo=UTC), "0.10"),
        (datetime(2026, 4, 6, 23, 59, 59), "0.15"),  # noqa: DTZ001 - without a zone it is UTC
        (datetime(2026, 4, 7), "0.10"),  # noqa: DTZ001
        (datetime(2026, 4, 6, 17, tzinfo=WEST), "0.10"),
        (datetime(2026, 4, 6, 16, 59, 59, tzinfo=WEST), "0.15"),
    ],
)
def test_a_price_changes_at_midnight_utc(prices: MediaPrices, at: datetime, usd: str) -> None:
    assert cost(prices.resolve("veo-3.1-fast-generate-001", None), video="1", at=at) == Decimal(usd)


# Names


@pytest.mark.parametrize(
    ("model", "provider", "sold"),
    [
        ("flux-pro-1.1", None, ("black-forest-labs", "flux-pro-1.1")),
        ("flux-1.1-pro", None, ("black-forest-labs", "flux-pro-1.1")),
        ("black-forest-labs/flux-1.1-pro", None, ("black-forest-labs", "flux-pro-1.1")),
        ("black-forest-labs/flux-1.1-pro", "BFL", ("black-forest-labs", "flux-pro-1.1")),
        ("flux-1.1-pro", "litellm", ("black-forest-labs", "flux-pro-1.1")),
        ("vertex_ai/imagen-4.0-generate-001", "litellm", ("google", "imagen-4.0-generate-001")),
        ("gen4_turbo", "RunwayML", ("runway", "gen4_turbo")),
        ("sora-2-pro-2025-10-06", "openai", ("openai", "sora-2-pro")),
        ("gpt-4o-mini-transcribe-2025-12-15", "openai", ("openai", "gpt-4o-mini-transcribe")),
        ("flux-pro-1.1-ultra", None, ("black-forest-labs", "flux-pro-1.1-ultra")),
    ],
)
def test_a_model_is_found_by_the_names_it_goes_by(
    prices: MediaPrices, model: str, provider: str | None, sold: tuple[str, str]
) -> None:
    media = prices.resolve(model, provider)

    assert media is not None
    assert (media.provider, media.model) == sold


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("flux-pro", "openai"),  # known, and does not sell it
        ("openai/dall-e-3", "google"),
        ("flux-1.1-pro", "replicate"),  # a reseller's prices are its own
        ("replicate/flux-1.1-pro", None),
        ("flux-pro-1.1-ultra-finetuned", None),  # another variant, at another price
        ("sora-2-turbo", None),
        ("gpt-4o", "openai"),
        ("openai", None),
        ("openai/", None),
        ("/dall-e-3", None),
        ("", None),
        ("", ""),
    ],
)
def test_a_model_that_nobody_is_known_to_sell_is_not_found(
    prices: MediaPrices, model: str, provider: str | None
) -> None:
    assert prices.resolve(model, provider) is None


def test_providers_are_known_by_any_of_their_names(prices: MediaPrices) -> None:
    assert all(map(prices.knows_provider, ["openai", "Black-Forest-Labs", "bfl", "gcp.vertex_ai"]))
    assert not any(map(prices.knows_provider, ["anthropic", "litellm", ""]))


def test_made_up_names_do_not_grow_memory() -> None:
    prices = MediaPrices()

    for i in range(100_000):
        prices.resolve(f"dall-e-{i}", None)
    assert prices.resolve("dall-e-3" + " " * MAX_NAME, None) is None
    assert prices.resolve("dall-e-3", "o" * (MAX_NAME + 1)) is None

    assert prices._lookup.cache_info().currsize == LOOKUPS
    assert prices.resolve("dall-e-3", None) is prices.resolve("openai/dall-e-3", None)


# Other tables

HEAD = """
version = "2026-12"
providers = { acme = ["a-c-me"], zenith = [] }
sizes = { 720p = ["1280x720"] }
sources = { page = { url = "https://acme.example/pricing", as_of = 2026-12-01 } }
"""
IMAGE = 'provider = "acme", models = ["brush"], unit = "image", source = "page"'


def table(tmp_path: Path, *rows: str, head: str = HEAD) -> Path:
    file = tmp_path / "prices.toml"
    file.write_text(head + "price = [\n" + "".join(f"  {{ {row} }},\n" for row in rows) + "]\n")
    return file


def test_the_version_is_the_files(prices: MediaPrices, tmp_path: Path) -> None:
    assert prices.version == "media 2026-11"
    assert MediaPrices(table(tmp_path)).version == "media 2026-12"


def test_mixed_use_is_summed(tmp_path: Path) -> None:
    film = 'provider = "acme", models = ["film"], source = "page"'
    file = table(
        tmp_path,
        f'{film}, unit = "image", size = "720p", default = true, price = "0.02"',
        f'{film}, unit = "video_second", size = "720p", price = "0.5"',
        f'{film}, unit = "audio_minute", price = "0.06"',
        f'{film}, unit = "character", price = "0.001"',
    )
    media = MediaPrices(file).resolve("film", "a-c-me")

    assert cost(media, images=2, video="3", audio="30", characters=7, size="1280x720") == Decimal("1.577")
    assert cost(media, images=2, video="3", audio="30", characters=7) is None  # the video has no default size
    assert cost(media, images=2, audio="30", characters=7) == Decimal("0.077")


def test_a_model_of_two_sellers_is_found_only_with_one_of_them(tmp_path: Path) -> None:
    file = table(tmp_path, f'{IMAGE}, price = "1"', f'{IMAGE.replace("acme", "zenith")}, price = "2"')
    prices = MediaPrices(file)

    assert prices.resolve("brush", None) is None
    assert cost(prices.resolve("brush", "zenith"), images=1) == 2
    assert cost(prices.resolve("acme/brush", None), images=1) == 1


def test_the_longest_prefix_holds_and_an_exact_name_goes_before_it(tmp_path: Path) -> None:
    names = {"brush*": "1", "brush-pro*": "2", "brush-pro-max": "3"}
    file = table(tmp_path, *(f'{IMAGE.replace("brush", name)}, price = "{price}"' for name, price in names.items()))
    prices = MediaPrices(file)

    found = {name: cost(prices.resolve(name, None), images=1) for name in ("brush-2", "brush-pro-2", "brush-pro-max")}
    assert found == {"brush-2": 1, "brush-pro-2": 2, "brush-pro-max": 3}


def test_before_its_first_and_after_its_last_day_a_price_does_not_hold(tmp_path: Path) -> None:
    row = f'{IMAGE}, price = "1", effective_from = 2026-02-01, effective_to = 2026-03-01'
    media = MediaPrices(table(tmp_path, row)).resolve("brush", None)

    def on(month: int, day: int) -> Decimal | None:
        return cost(media, images=1, at=datetime(2026, month, day, tzinfo=UTC))

    assert [on(1, 31), on(2, 1), on(2, 28), on(3, 1)] == [None, 1, 1, None]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (IMAGE, "price 1, price: Field required"),
        (f"{IMAGE}, price = 0.04", "price 1, price: Value error, a price is a string"),
        (f'{IMAGE}, price = "-1"', "price 1, price: Input should be greater than 0"),
        (f'{IMAGE}, price = "NaN"', "price 1, price: "),
        (f'{IMAGE}, price = "1", colour = "red"', "price 1, colour: Extra inputs are not permitted"),
        (f'{IMAGE.replace("image", "pixel")}, price = "1"', "price 1, unit: Input should be 'image'"),
        (f'{IMAGE.replace("brush", "Brush")}, price = "1"', "price 1, models: String should match"),
        (f'{IMAGE.replace("brush", "*")}, price = "1"', "price 1, models: String should match"),
        (f'{IMAGE.replace("brush", "b*h")}, price = "1"', "price 1, models: String should match"),
        (f'{IMAGE}, price = "1", size = "1024X1024"', "price 1, size: String should match"),
        (f'{IMAGE}, price = "1", size = "1280x720"', "price 1, size: to be called 720p (brush)"),
        (f'{IMAGE.replace("acme", "ajax")}, price = "1"', "price 1, provider: ajax is not one of the providers"),
        (f'{IMAGE.replace("page", "hearsay")}, price = "1"', "price 1, source: hearsay is not one of the sources"),
        (f'{IMAGE}, price = "1", effective_from = "soon"', "price 1, effective_from: "),
        (
            f'{IMAGE}, price = "1", effective_from = 2026-02-01, effective_to = 2026-02-01',
            "price 1, effective_to: not after effective_from",
        ),
    ],
)
def test_a_row_at_fault_is_refused_with_its_number_and_field(tmp_path: Path, row: str, fault: str) -> None:
    file = table(tmp_path, row)

    with pytest.raises(ConfigurationError) as refusal:
        MediaPrices(file)

    assert str(refusal.value).startswith(f"{file} cannot be used: {fault}")


@pytest.mark.parametrize(
    ("first", "second", "fault"),
    [
        ("", "", "price 2, models: overlaps price 1 (brush)"),
        ('size = "a"', 'size = ["b", "a"]', "price 2, models: overlaps price 1 (brush)"),
        ("effective_to = 2026-03-02", "effective_from = 2026-03-01", "price 2, models: overlaps price 1 (brush)"),
        ('size = "a"', "", "price 2, size: given or left out, unlike in price 1 (brush)"),
        ('quality = "a"', "", "price 2, quality: given or left out, unlike in price 1 (brush)"),
        (
            'size = "a", default = true',
            'size = "b", default = true',
            "price 2, default: a second one beside price 1 (brush)",
        ),
    ],
)
def test_rows_that_contradict_each_other_are_refused(tmp_path: Path, first: str, second: str, fault: str) -> None:
    rows = (f'{IMAGE}, price = "1"{terms and ", " + terms}' for terms in (first, second))

    with pytest.raises(ConfigurationError) as refusal:
        MediaPrices(table(tmp_path, *rows))

    assert str(refusal.value).endswith(f"cannot be used: {fault}")


def test_a_minute_and_an_hour_of_audio_overlap_too(tmp_path: Path) -> None:
    rows = (f'{IMAGE.replace("image", unit)}, price = "1"' for unit in ("audio_minute", "audio_hour"))

    with pytest.raises(ConfigurationError, match="price 2, models: overlaps price 1"):
        MediaPrices(table(tmp_path, *rows))


@pytest.mark.parametrize(
    ("was", "becomes", "fault"),
    [
        ('version = "2026-12"', "", "version: Field required"),
        ('["a-c-me"]', '["zenith"]', "providers: zenith is named twice"),
        ("https://", "ftp://", "sources, page: "),
        ("2026-12-01", '"lately"', "sources, page: "),
        ("{ url", "url", "Invalid"),
    ],
)
def test_a_head_at_fault_is_refused(tmp_path: Path, was: str, becomes: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=f"cannot be used: .*{fault}"):
        MediaPrices(table(tmp_path, head=HEAD.replace(was, becomes)))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    file = table(tmp_path, f'{IMAGE}, price = "0"', f"{IMAGE}")

    with pytest.raises(ConfigurationError, match=r"price 1, price: .*; price 2, price: "):
        MediaPrices(file)


def test_a_missing_table_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml cannot be used"):
        MediaPrices(tmp_path / "none.toml")
