"""Create the missing event of every ledger entry that has none.

Use it where events were deleted or never written: the main dashboard reads them. Each event is the one that the tracker
would have written with the entry, except for the user's external id, which entries do not have.

Without --execute it only reports how much there is to do. It runs beside the server; interrupted, it resumes; run
twice, it changes nothing. Entries that cannot have an event are skipped, counted and listed. Exit status: 0; 3 if there
are such entries; 1 if it failed.

    python -m scripts.backfill_analytics                                  dry run
    python -m scripts.backfill_analytics --execute
    python -m scripts.backfill_analytics --from 2026-11-01 --to 2026-11-07 --execute
"""

import sys

from app.database import Collection, Session
from app.maintenance.backfill.missing_twins import MissingEvents
from app.maintenance.backfill.twinning import Twinning
from models.documents import Document
from scripts.toolkit import backfilling, command, days, job


class BackfillAnalytics(backfilling.Backfill):
    """Goes through the ledger."""

    name = "backfill_analytics"
    what = "entries"

    def source(self) -> tuple[Collection, Document]:
        return self._database.ledger, {} if self.span is None else self.span.condition()

    async def twinnings(self, sessions: list[Session | None]) -> list[Twinning]:
        return [MissingEvents(self._database, session, self.span) for session in sessions]


def main() -> int:
    parser = command.parser("backfill_analytics", __doc__)
    days.add_arguments(parser)
    job.add_arguments(parser)
    arguments = days.checked(parser, parser.parse_args())
    return job.run(arguments, lambda database, settings: BackfillAnalytics(database, settings, arguments))


if __name__ == "__main__":
    sys.exit(main())
