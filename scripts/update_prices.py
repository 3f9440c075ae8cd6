"""Price calls by newer token prices than those that came with this installation.

Use it when a provider changed its prices or a new model is out, and a release with them is not: FILE is genai-prices'
own data file, https://github.com/pydantic/genai-prices, prices/new_data/v2/data.json. It is checked, and refused where
it is broken, a part, or older than the table in use. Every process prices by it within five seconds, without a restart;
priceVersion names it. Calls that are stored keep their costs until scripts.reprice.

Without --execute nothing is written; --check prices the calls of the last days by both tables, and says for which
models the cost becomes another one, and by how much. --revert goes back to the prices of the installed package. A newer
installation does not do that by itself: scripts.doctor says when it is time.

    python -m scripts.update_prices data.json --check
    python -m scripts.update_prices data.json --check --days 7 --json
    python -m scripts.update_prices data.json --execute
    python -m scripts.update_prices --revert --execute

Exit status 3: by the new table calls have no price that have one now.
"""

import argparse
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from genai_prices.types import Provider

from app.database import Database
from app.errors import ConfigurationError
from app.maintenance.repricing.price_comparison import Comparison
from app.maintenance.repricing.price_versions import Prices, PriceVersions
from app.pricing import price_data
from app.pricing.price_book import PriceBook
from app.pricing.price_data import PriceDataError
from app.pricing.price_tables import PriceTables, StoredTable
from app.pricing.token_prices import TokenPrices
from app.settings import Settings
from models import CostSource
from models.documents import Document
from scripts.toolkit import command, days, job
from scripts.toolkit.job import Job, Page, Summary

PAGE = 1_000
DAYS = 30


def main() -> int:
    given = arguments()
    return job.run(given, lambda database, settings: UpdatePrices(database, settings, given))


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments `given`, or those of the process."""
    parser = command.parser("update_prices", __doc__)
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="genai-prices' data file")
    parser.add_argument("--revert", action="store_true", help="go back to the prices of the installed package")
    parser.add_argument("--check", action="store_true", help="say what would change for the models in use")
    parser.add_argument(
        "--days", type=days.count, default=DAYS, metavar="N", help=f"whose calls --check prices: {DAYS}"
    )
    job.add_arguments(parser)
    parsed = parser.parse_args(given)
    if (parsed.file is None) != parsed.revert:
        parser.error("give a FILE, or --revert")
    return parsed


class UpdatePrices(Job[Document]):
    """One run. Its pages are the calls that are priced by both tables; without --check there are none."""

    name = "update_prices"
    what = "calls"
    counts = ("calls", "changed", "without a price")
    worth_a_look = ("without a price",)

    def __init__(self, database: Database, settings: Settings, arguments: argparse.Namespace) -> None:
        self._database = database
        self._settings = settings
        self._file: Path | None = arguments.file
        self._check: bool = arguments.check
        self._now = datetime.now(UTC)
        self._condition = {
            "createdAt": {"$gte": self._now - timedelta(days=arguments.days)},
            "costSource": {"$ne": str(CostSource.REPORTED)},
        }
        self._tables = PriceTables(database)
        self._data: bytes | None = None
        self._in_use: StoredTable | None
        self._comparison: Comparison | None = None
        self._notes: list[str] = []

    @asynccontextmanager
    async def opened(self, after: Any, *, execute: bool) -> AsyncIterator[None]:  # noqa: ARG002 - it is the same everywhere
        """Raises ConfigurationError where the file is not to be used."""
        self._in_use = await self._tables.in_use()
        used = await self._used()
        providers = price_data.bundled() if self._file is None else self._providers(self._file, used)
        version = self._version()
        if self._check:
            self._comparison = await self._compared(providers, version)
        in_use = TokenPrices().version if self._in_use is None else self._in_use.version
        self._notes = [_said("the new table" if self._data else "the packaged table", providers, version, self._now)]
        self._notes.append(_said("the table in use", used, in_use, self._now))
        yield

    async def total(self) -> int:
        return await self._database.ledger.count_documents(self._condition) if self._check else 0

    async def pages(self, after: Any) -> AsyncGenerator[Page[Document], None]:  # noqa: ARG002 - a comparison is begun anew
        behind: Document = {}
        while self._check:
            found = self._database.ledger.find(self._condition | behind).sort([("createdAt", 1), ("_id", 1)])
            if not (entries := await found.limit(PAGE).to_list(None)):
                return
            behind = days.behind(entries[-1]["createdAt"], entries[-1]["_id"])
            yield Page(entries, None)

    async def do(self, page: Page[Document], *, execute: bool) -> Counter[str]:  # noqa: ARG002 - a look writes nothing
        assert self._comparison is not None  # noqa: S101 - there are no pages without one
        return Counter(calls=len(page.items), changed=self._comparison.add(page.items))

    async def finish(self, summary: Summary) -> None:
        if self._comparison is not None:
            summary.tables["changes"] = _rows(self._comparison)
            summary.counts["without a price"] = sum(each.lost for each in self._comparison.by_model.values())
        summary.notes += self._notes
        if summary.executed:
            summary.notes.append(await self._written())

    async def _written(self) -> str:
        if self._data is None:
            await self._tables.revert()
            return f"every process prices by {TokenPrices().version} within five seconds"
        stored = await self._tables.use(self._data, self._now)
        return (
            f"every process prices by {stored.version} within five seconds; past calls keep their costs: "
            "python -m scripts.reprice shows what they would cost"
        )

    async def _used(self) -> list[Provider]:
        """The providers of the table in use. One that cannot be read any more is in nobody's way."""
        if self._in_use is None:
            return price_data.bundled()
        try:
            return price_data.read_providers((await self._tables.read(self._in_use.id))[0])
        except PriceDataError:
            return price_data.bundled()

    def _providers(self, file: Path, used: list[Provider]) -> list[Provider]:
        try:
            self._data = file.read_bytes()
            providers = price_data.read_providers(self._data)
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
        except PriceDataError as error:
            raise ConfigurationError(f"{file} {error}") from error
        if refusal := price_data.refusal(providers, used, self._now.date()):
            raise ConfigurationError(f"{file} {refusal}")
        return providers

    def _version(self) -> str:
        """Of the new table; as it is named already, where it was loaded before."""
        if self._data is None:
            return TokenPrices().version
        if self._in_use is not None and self._in_use.id == price_data.hash_of(self._data):
            return self._in_use.version
        return price_data.version_of(self._data, self._now.date())

    async def _compared(self, providers: list[Provider], version: str) -> Comparison:
        book = PriceBook(self._database)
        await book.refresh()
        overrides = await book.all()

        def prices(tokens: TokenPrices | None) -> Prices:
            files = self._settings.estimates_file, self._settings.model_aliases
            return PriceVersions(overrides, *files, tokens).today()

        return Comparison(prices(book.table.tokens), prices(price_data.table_of(providers, version)))


def _said(which: str, providers: Sequence[Provider], version: str, now: datetime) -> str:
    newest = price_data.newest_price(providers, now.date())
    return f"{which}: {version}, {price_data.models_of(providers):,} models, newest dated price of {newest}"


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    """By model and provider; costs in USD."""
    return [
        {
            "model": model,
            "provider": provider,
            "calls": found.calls,
            "before": found.before,
            "after": found.after,
            "difference": found.after - found.before,
            "without a price": found.lost,
            "priced at last": found.gained,
        }
        for (model, provider), found in sorted(comparison.by_model.items())
    ]


if __name__ == "__main__":
    sys.exit(main())
