"""The file of media prices, read and checked: `media_prices.toml`, whose own comments explain its fields."""

import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import chain, combinations, product
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.errors import ConfigurationError
from app.pricing.lookups import MAX_NAME

TABLE = Path(__file__).with_name("media_prices.toml")

Kind = Literal["images", "video_seconds", "audio_seconds", "characters"]
"""What a call may have used."""

KINDS: tuple[Kind, ...] = ("images", "video_seconds", "audio_seconds", "characters")

UNITS: dict[str, tuple[Kind, int]] = {
    "image": ("images", 1),
    "video_second": ("video_seconds", 1),
    "audio_minute": ("audio_seconds", 60),
    "audio_hour": ("audio_seconds", 3_600),
    "character": ("characters", 1),
}
"""Unit of a row -> what it counts, and how many of it the price is for."""

Conditions = tuple[str | None, str | None]
"""A size and a quality; None stands for any."""


class Period(NamedTuple):
    """A price in USD for `per` of what is counted, from `start` until before `end`."""

    start: datetime
    end: datetime
    price: Decimal
    per: int


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _no_float(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('a price is a string, such as "0.040"')  # noqa: TRY004 - what Pydantic reports with its place
    return value


# in lower case, as a call's are when they are looked up
_Word = Annotated[str, Field(pattern="^[^A-Z*]+$")]
_Model = Annotated[str, Field(max_length=MAX_NAME, pattern=r"^[^A-Z*]+\*?$")]
_Terms = Annotated[tuple[_Word, ...], BeforeValidator(_as_list)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Where a price was read, and the date as of which that was the price."""

    url: str = Field(pattern="^https://")
    as_of: date


class Row(_Strict):
    """One price of one or more models: a model may be a prefix, with a closing asterisk."""

    provider: str
    models: tuple[_Model, ...] = Field(min_length=1)
    unit: Literal["image", "video_second", "audio_minute", "audio_hour", "character"]
    size: _Terms = ()
    quality: _Terms = ()
    price: Annotated[Decimal, BeforeValidator(_no_float), Field(gt=0)]
    default: bool = False
    source: str
    effective_from: date = date.min
    effective_to: date = date.max

    def conditions(self) -> list[Conditions]:
        """Each size with each quality. A row that names none stands for any."""
        return list(product(self.size or (None,), self.quality or (None,)))

    def period(self) -> Period:
        start, end = (datetime.combine(day, time(), UTC) for day in (self.effective_from, self.effective_to))
        return Period(start, end, self.price, UNITS[self.unit][1])

    def overlaps(self, other: "Row") -> bool:
        """Whether both could price one call, given that both are of one model and kind."""
        conditions = not set(self.conditions()).isdisjoint(other.conditions())
        return conditions and self.effective_from < other.effective_to and other.effective_from < self.effective_to


class Table(_Strict):
    """The file as a whole."""

    version: str = Field(pattern=r"^\d{4}-\d{2}")
    sizes: dict[_Word, list[_Word]] = Field(default_factory=dict)
    providers: dict[_Word, list[_Word]]
    sources: dict[str, Source]
    price: list[Row]

    def offers(self) -> dict[tuple[str, str], dict[Kind, list[Row]]]:
        """The rows by provider and model, and what they are for."""
        offers: dict[tuple[str, str], dict[Kind, list[Row]]] = {}
        for row in self.price:
            for model in row.models:
                offers.setdefault((row.provider, model), {}).setdefault(UNITS[row.unit][0], []).append(row)
        return offers


def read_table(path: Path) -> Table:
    """Read and check `path`. Raises ConfigurationError naming the file and every row and field at fault."""
    try:
        table = Table.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        faults = [_fault(fault["loc"], fault["msg"]) for fault in error.errors()]
        raise ConfigurationError(f"{path} cannot be used: {'; '.join(faults)}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be used: {error}") from error
    if contradictions := dict.fromkeys(_contradictions(table)):
        raise ConfigurationError(f"{path} cannot be used: {'; '.join(contradictions)}")
    return table


def _fault(place: Sequence[int | str], message: str) -> str:
    """Where in the file, its rows counted from 1, and what: `price 3, unit: ...`."""
    names = [f"{place[0]} {place[1] + 1}", *place[2:3]] if place[1:] and isinstance(place[1], int) else place[:2]
    return f"{', '.join(map(str, names))}: {message}"


def _contradictions(table: Table) -> Iterator[str]:
    """What no row shows by itself."""
    names = [name for provider, others in table.providers.items() for name in (provider, *others)]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield _fault(("providers",), f"{name} is named twice")
    for number, row in enumerate(table.price):
        for field, message in _wrong_with(row, table):
            yield _fault(("price", number, field), f"{message} ({row.models[0]})")
    numbers = {id(row): number for number, row in enumerate(table.price)}
    alike = (rows for offers in table.offers().values() for rows in offers.values())
    for earlier, row in chain.from_iterable(combinations(rows, 2) for rows in alike):
        for field, message in _disagreement(row, earlier):
            other = f"price {numbers[id(earlier)] + 1} ({row.models[0]})"
            yield _fault(("price", numbers[id(row)], field), f"{message} {other}")


def _wrong_with(row: Row, table: Table) -> Iterator[tuple[str, str]]:
    if row.provider not in table.providers:
        yield "provider", f"{row.provider} is not one of the providers"
    if row.source not in table.sources:
        yield "source", f"{row.source} is not one of the sources"
    if row.effective_to <= row.effective_from:
        yield "effective_to", "not after effective_from"
    for name, sizes in table.sizes.items():
        if not set(sizes).isdisjoint(row.size):
            yield "size", f"to be called {name}"


def _disagreement(row: Row, other: Row) -> Iterator[tuple[str, str]]:
    """Between two rows of one model and kind: a lookup must find one price at most, and know what to look up by."""
    if row.overlaps(other):
        yield "models", "overlaps"
    if bool(row.size) != bool(other.size):
        yield "size", "given or left out, unlike in"
    if bool(row.quality) != bool(other.quality):
        yield "quality", "given or left out, unlike in"
    if row.default and other.default and row.conditions()[0] != other.conditions()[0]:
        yield "default", "a second one beside"
