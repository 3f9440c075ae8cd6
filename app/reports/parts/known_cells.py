"""What one process has read of users' cells: with every merge of users they are read again, and not for each report."""

import bson

from app.reports.queries.rollup_rows import Query
from app.reports.reader import Document, Documents, Reader

MOST_ROWS = 50_000


class KnownCells:
    """The rows of pipelines over users' cells alone, as of one state of the rollups. Nobody may change them."""

    def __init__(self) -> None:
        self._moment: tuple[int, int] | None = None
        self._rows: dict[bytes, Documents] = {}

    async def rows(self, read: Reader, query: Query, state: Document) -> Documents:
        """What `query` returns where the rollups have this state, which was read in the same session."""
        if not read.is_of_one_moment:
            return await read.cells(query)
        # whatever changes users' cells counts a merge; those of figures alone are counted once more
        moment = state["merges"] - state.get("figures", 0), state["epoch"]
        if moment != self._moment:
            self._moment, self._rows = moment, {}
        kept, key = self._rows, bson.encode({query[0]: query[1]})
        if (rows := kept.get(key)) is None:
            rows = await read.cells(query)
            # each is one more: there is no end to queries that find nothing
            if sum(map(len, kept.values())) + len(kept) + len(rows) < MOST_ROWS:
                kept[key] = rows
        return rows
