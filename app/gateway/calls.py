"""The way of a call through the gateway, with one exit: whatever became of it, it is in the ledger before its client
has the end of its answer.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from app.gateway.account import Account, Ending
from app.gateway.attempts import Attempts
from app.gateway.cache.cache import ResponseCache
from app.gateway.cache.caching import caching_of
from app.gateway.counters import GatewayCounters
from app.gateway.formats.base import GatewayError
from app.gateway.passage import Passage
from app.gateway.requests import Incoming, named_in, whose
from app.gateway.streams import Client
from app.gateway.transport import Transport
from app.gateway.upstreams.hops import HEADER as HOP
from app.gateway.upstreams.hops import Hops
from app.gateway.upstreams.upstreams import Target, Upstreams
from app.tracking.tracker import Tracker

CLOSE_SECONDS = 5.0


class Calls:
    """Of one process."""

    def __init__(
        self,
        tracker: Tracker,
        upstreams: Upstreams,
        transport: Transport,
        *,
        hops: Hops,
        cache: ResponseCache | None,
        counters: GatewayCounters,
    ) -> None:
        self._tracker = tracker
        self._upstreams = upstreams
        self._attempts = Attempts(upstreams, transport)
        self._hops = hops
        self._cache = cache
        self._counters = counters
        self._open: set[Passage] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def answer(self, incoming: Incoming, client: Client) -> None:
        """Answer a request. Raises GatewayError and LimitsUnavailableError for one that goes no further than here:
        nothing of it has been sent or stored.
        """
        said = named_in(incoming.headers)
        hop = self._hops.onwards(_hop(incoming))
        wanted = incoming.form.read(incoming.operation, incoming.path_model, incoming.content_type, incoming.body)
        for model in (wanted.model, *wanted.others):
            if not incoming.policy.allows(model):
                raise _not_allowed(model)
        targets = self._upstreams.targets(wanted.model, wanted.api)
        owner = whose(incoming, wanted, said)
        entry_id = self._tracker.new_id(owner.client_id, None)
        slim = replace(wanted, source=None)  # without the body, which nobody needs once an answer has begun
        account = Account(self._tracker, owner, slim, entry_id, since=incoming.since)
        caching = caching_of(self._cache, incoming, wanted, owner)
        await account.reserve(targets[0])
        passage = Passage(incoming, (wanted, slim), client, account, self._attempts, caching=caching)
        del wanted
        self._open.add(passage)
        self._quiet.clear()
        try:
            await self._through(passage, targets, hop)
        finally:
            self._open.discard(passage)
            if not self._open:
                self._quiet.set()

    async def _through(self, passage: Passage, targets: Sequence[Target], hop: str) -> None:
        """The one exit: however the call ends, it is recorded, and only then its client is told the end."""
        ending = Ending.unforeseen()
        try:
            ending = await passage.run(targets, hop)
        except asyncio.CancelledError:
            ending = passage.stopped()
            raise
        finally:
            receipt = await passage.account.close(ending)
            await passage.finish(ending, receipt)
            account = passage.account
            self._counters.ended(passage.api, ending, len(account.attempts), account.added(time.perf_counter()))
            self._counters.kept_up(account.keep_alives, ending, client_left=passage.client_left)

    @property
    def open(self) -> int:
        """How many are under way."""
        return len(self._open)

    def end_calls_of(self, key_id: str) -> None:
        """Cut off what is under way for a key that holds no longer."""
        for passage in [each for each in self._open if each.key_id == key_id]:
            passage.revoke()

    async def close(self) -> None:
        """Wait for those that are under way to be recorded, a moment: the server has given them up."""
        if self._open:
            await asyncio.wait({asyncio.ensure_future(self._quiet.wait())}, timeout=CLOSE_SECONDS)


def _hop(incoming: Incoming) -> str | None:
    return next((value.decode("latin-1") for name, value in incoming.headers if name == HOP.encode()), None)


def _not_allowed(model: str) -> GatewayError:
    message = f"this key may not use the model {model[:100]!r}; GET /v1/models has those that it may"
    return GatewayError(403, "model_not_allowed", message, param="model", should_retry=False)
