"""Stripe for one process: its events taken in, what waits looked at again."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import NamedTuple, Self

from app.database import Database
from app.database.outages import answering
from app.errors import NotFoundError
from app.finance.stripe.api import Api
from app.finance.stripe.events import Signatures, opened
from app.finance.stripe.fetching import Fetching
from app.finance.stripe.settlements import State
from app.finance.stripe.settling import Settling
from app.finance.stripe.store import Objects
from app.finance.stripe.waiting import Waiting
from app.observability.logs import Log
from app.observability.troubles import Troubles
from app.process import background
from app.setting_words import secret_given
from app.settings import Settings

SECONDS = 20.0
"""How long an event may take: Stripe waits for no more, and sends it again."""
AGAIN = "the event was not taken: MongoDB does not answer; Stripe sends it again"
NOT_CONFIGURED = "Stripe is not set up here: set TWINMETER_STRIPE_WEBHOOK_SECRET, see docs/finance.md"

Refresh = Callable[[], Awaitable[None]]

log = Log(__name__)


class Became(StrEnum):
    """What became of an event."""

    TAKEN = "taken"
    KNOWN = "known"
    """It had come before: nothing was done again."""
    IGNORED = "ignored"
    """It is of nothing that is followed here."""


class Answer(NamedTuple):
    """To Stripe, which looks at the status alone, and to who reads its log."""

    became: Became
    state: State | None = None
    reason: str | None = None


class Billing:
    """One per process."""

    def __init__(
        self, settings: Settings, database: Database, secrets: "Secrets", api: Api | None, refresh: Refresh
    ) -> None:
        self.configured, self.live, self.account = bool(secrets.webhook), secrets.live, settings.stripe_account
        self._signatures, self._refresh = Signatures(secrets.webhook), refresh
        self.settling = Settling(database, settings.zone, settings.stripe_plans)
        self.fetching = None if api is None else Fetching(api, Objects(database))
        self._one_at_once = asyncio.Lock()
        """Of two events at once one would begin anew: better that it waits."""

    def require(self) -> None:
        """Raises NotFoundError where Stripe is not set up."""
        if not self.configured:
            raise NotFoundError(NOT_CONFIGURED)

    def check(self, body: bytes, signature: str | None) -> None:
        """Raises UnsignedError."""
        self._signatures.check(body, signature)

    async def take(self, body: bytes) -> Answer:
        """Take in an event whose signature was checked.

        Raises InvalidRequestError, ForeignEventError, StripeUnavailableError and DatabaseUnavailableError: in each case
        nothing was done.
        """
        sent = opened(body)
        sent.check_ours(live=self.live, account=self.account)
        if sent.kind is None:
            return Answer(Became.IGNORED)
        received = [sent.received()]
        with answering(SECONDS, AGAIN):
            if self.fetching is not None and sent.event.object_id is not None:
                received += await self.fetching.newest(sent.kind, sent.event.object_id)
            async with self._one_at_once:
                effect = await self.settling.take(sent.event, received)
            if any(one.kind == "subscription" for one in effect.settled):
                await self._refresh()
        if effect.known:
            return Answer(Became.KNOWN)
        last = next((one for one in effect.settled if one.state is not State.SETTLED), None)
        log.info("stripe.taken", type=sent.type, id=sent.id, settled=len(effect.settled))
        return Answer(Became.TAKEN) if last is None else Answer(Became.TAKEN, last.state, last.reason)


class Secrets(NamedTuple):
    """What is set up, read from the settings and the files that they name."""

    webhook: tuple[str, ...]
    key: str | None
    live: bool

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Raises ConfigurationError for a file that cannot be read."""
        webhook = secret_given(
            settings.stripe_webhook_secret, settings.stripe_webhook_secret_file, "TWINMETER_STRIPE_WEBHOOK_SECRET"
        )
        key = secret_given(settings.stripe_api_key, settings.stripe_api_key_file, "TWINMETER_STRIPE_API_KEY")
        of_key = "test" if key is not None and key.partition("_")[2].startswith("test_") else "live"
        secrets = tuple(part.strip() for part in (webhook or "").split(",") if part.strip())
        return cls(secrets, key, (settings.stripe_mode or of_key) == "live")


@asynccontextmanager
async def open_billing(
    settings: Settings, database: Database, troubles: Troubles, refresh: Refresh
) -> AsyncIterator[Billing]:
    """Stripe, for the length of a block. `refresh` has this process take in that subscriptions changed.

    Raises ConfigurationError, and PyMongoError.
    """
    secrets = Secrets.of(settings)
    if secrets.webhook:  # at once: it takes 0.2 s, which no request is to wait for
        importlib.import_module("stripe")
    api = None if secrets.key is None else Api(secrets.key, settings.stripe_api_base)
    billing = Billing(settings, database, secrets, api, refresh)
    await billing.settling.prepare()
    waiting = Waiting(database, billing.settling, troubles, refresh)
    try:
        async with background(waiting.run(), "stripe"):
            yield billing
    finally:
        if api is not None:
            await api.close()
