"""Create the missing ledger entry of every AI event that has none.

Use it once where a system wrote only events: reports and costs come from the ledger. Each entry has the id and the time
of its event; provider and feature are resolved as for a live call. Tokens and cost are taken from the event where it
has them; else the cost is estimated, and marked as such. Fields that live events have and this one lacks are added to
it. None of its own is changed, unless reports cannot read it (a cost as a floating-point number, a date as a string).

Without --execute it only reports how much there is to do. It runs beside the server; interrupted, it resumes; run
twice, it changes nothing. Events that cannot become an entry are skipped, counted and listed. Exit status: 0; 3 if
there are such events; 1 if it failed.

    python -m scripts.backfill_usage                                      dry run
    python -m scripts.backfill_usage --execute
    python -m scripts.backfill_usage --from 2026-11-01 --to 2026-11-07 --client acme --execute
"""

import argparse
import sys
from typing import Any

from app.database import Collection, Session
from app.ledger.recording import Recorder
from app.maintenance.backfill.legacy_events import LegacyEvents
from app.maintenance.backfill.legacy_values import UnusableError, name_of
from app.maintenance.backfill.missing_twins import MissingEntries
from app.maintenance.backfill.twinning import Twinning
from app.pricing.price_book import PriceBook
from app.rollups.local_time import LocalTime
from app.rollups.state import RollupState
from models import AI_GENERATION
from models.call import DEFAULT_CLIENT
from models.documents import Document
from scripts.toolkit import backfilling, command, days, job


class BackfillUsage(backfilling.Backfill):
    """Goes through the AI events."""

    name = "backfill_usage"
    what = "events"

    def key(self) -> dict[str, Any]:
        return {**super().key(), "client": self._arguments.client}

    def source(self) -> tuple[Collection, Document]:
        span = {} if self.span is None else self.span.condition()
        return self._database.events, {"event": AI_GENERATION, **span}

    async def twinnings(self, sessions: list[Session | None]) -> list[Twinning]:
        settings, book = self._settings, PriceBook(self._database)
        await book.refresh()
        legacy = LegacyEvents(Recorder.of(settings, book), self._arguments.client)
        # a dry run writes nothing, the state of the rollups included
        dry = None in sessions
        zone = settings.zone if dry else (await RollupState.open(self._database, settings.zone)).zone
        return [MissingEntries(self._database, session, legacy, LocalTime(zone), self.span) for session in sessions]


def _client(text: str) -> str:
    """A client id, as calls name it."""
    try:
        return name_of(text, "--client") or DEFAULT_CLIENT
    except UnusableError as error:
        raise argparse.ArgumentTypeError(error.reason) from error


def main() -> int:
    parser = command.parser("backfill_usage", __doc__)
    days.add_arguments(parser)
    parser.add_argument(
        "--client", metavar="ID", type=_client, default=DEFAULT_CLIENT, help="client of events that name none"
    )
    job.add_arguments(parser)
    arguments = days.checked(parser, parser.parse_args())
    return job.run(arguments, lambda database, settings: BackfillUsage(database, settings, arguments))


if __name__ == "__main__":
    sys.exit(main())
