"""What is to be committed of a batch: a request that waits in the spool was there first, and stands."""

import asyncio
from collections.abc import Callable, Iterable

from bson import ObjectId

from app.ledger.outcomes import Outcome
from app.spool.journal import SpoolError
from app.spool.spooler import LOOK_SECONDS, Spooler
from app.spool.waiting import Waiting


class NotSpooled:
    """Asks the spool. `is_fresh` says whether nobody can have reported a call with this id before; `tell` answers
    callers.
    """

    def __init__(
        self,
        spooler: Spooler,
        is_fresh: Callable[[ObjectId], bool],
        tell: Callable[[Iterable[tuple[Waiting, Outcome]]], None],
    ) -> None:
        self._spooler = spooler
        self._is_fresh = is_fresh
        self._tell = tell

    async def among(self, batch: list[Waiting]) -> list[Waiting]:
        """Those whose request does not wait there. Callers of the others are told that they are duplicates."""
        if not self._spooler.depth.calls:
            return batch
        # the disk is not asked in vain: a commit would wait for what is being written
        asked = [id_ for call in batch for id_ in call.pair.ids if not self._is_fresh(id_)]
        if not asked:
            return batch
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                known = await self._spooler.waiting_here(asked)
        except (SpoolError, TimeoutError):  # which the watch reports; then the ledger alone decides which was first
            return batch
        waiting = {id_: pair.entry for id_, pair in known.items()}
        first = [call.pair.first_in(waiting) for call in batch]
        self._tell(
            (call, Outcome.duplicate(call.pair, entry))
            for call, entry in zip(batch, first, strict=True)
            if entry is not None and not call.spooling
        )
        return [call for call, entry in zip(batch, first, strict=True) if entry is None]
