"""Calls of the common shape: what those of one client, content type, model and provider share is worked out once.

A template is made from a call that was recorded in full, and gives the same documents for the next ones, whose users,
tokens and times alone differ. It is for prices by the plain token. What has anything else goes the full way, and so do
all calls whose price an override, a date, a tier, a place or their size has a say in.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import bson
from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from app.ledger.common import MORE, Key, Said
from app.ledger.packing import PackedEntry, PackedEvent, fields, int_field, milliseconds, text_field
from app.ledger.twins import Pair
from app.pricing.costs import Cost, Pricing
from app.pricing.token_rates import FlatRates
from app.rollups.usage_sums import Columns, Tags
from models.documents import Document
from models.money import from_units, usd_of_units

_COUNTED_AS = ("clientId", "feature", "serviceType", "aiModel", "synthetic")
MOST = 1_000
"""Templates of each of two generations: new names in every call neither grow them nor push out the frequent ones."""


class TemplatePair(Pair):
    """A pair whose documents are made when they are asked for."""

    __slots__ = ("cost", "input_cost", "is_built", "now", "output_cost", "said", "template")

    def __init__(self, template: "Template", said: Said, now: datetime, entry_id: ObjectId) -> None:
        self.id = entry_id
        self.stamped = said.created_at is None
        self.shared_id = None
        self.template = template
        self.said = said
        self.now = now
        self.is_built = False
        """Whether a document has been asked for, and may have been changed."""
        rates = template.rates
        # in units of the last stored decimal
        self.input_cost = rates.input * said.input_tokens
        self.output_cost = rates.output * said.output_tokens
        self.cost = self.input_cost + self.output_cost + rates.fee

    def __getattr__(self, name: str) -> Any:
        """The documents, the first time."""
        self.is_built = True
        match name:
            case "entry":
                self.entry = self.template.entry(self)
                return self.entry
            case "event":
                self.event = self.template.event(self)
                return self.event
        raise AttributeError(name)

    @property
    def feature(self) -> str:
        return self.template.feature

    @property
    def created_at(self) -> datetime:
        return self.said.created_at or self.now

    def entry_to_store(self) -> Mapping[str, Any]:
        return self.entry if self.is_built else RawBSONDocument(self.template.packed_entry(self))

    def event_to_store(self) -> Mapping[str, Any]:
        return self.event if self.is_built else RawBSONDocument(self.template.packed_event(self))


class Template:
    """What calls share, from one of them."""

    def __init__(self, of: Pair, cost: Cost, rates: FlatRates) -> None:
        self.rates = rates
        self.feature = of.feature
        self._cost = cost
        self._fee = usd_of_units(rates.fee)
        self._entry = {name: value for name, value in of.entry.items() if name not in MORE}
        self._event = {name: value for name, value in of.event.items() if name != "clerkUserId"}
        self.counted_as = tuple(of.entry[name] for name in _COUNTED_AS)
        """How limits count it: client, feature, service type and model, and whether it is synthetic."""
        self._packed_entry, self._packed_event = PackedEntry(self._entry), PackedEvent(self._event)

    def cost(self, pair: TemplatePair) -> Cost:
        """What the receipt says."""
        parts = usd_of_units(pair.input_cost), usd_of_units(pair.output_cost), self._fee
        _, _, saved, source, version, _ = self._cost
        return Cost(parts, usd_of_units(pair.cost), saved, source, version)

    def columns(self, pairs: Sequence[TemplatePair]) -> Columns:
        """What such calls add to the rollups."""
        said = [pair.said for pair in pairs]
        return Columns(
            self._entry,
            self.rates[:3],
            moments=[pair.created_at for pair in pairs],
            users=[each.user for each in said],
            conversations=[each.more.get("conversationId") for each in said],
            tags=[Tags.of(each.more) for each in said],
            input_tokens=[each.input_tokens for each in said],
            output_tokens=[each.output_tokens for each in said],
            durations=[each.duration for each in said],
            first_tokens=[each.first_token for each in said],
            costs=[pair.cost for pair in pairs],
        )

    def entry(self, pair: TemplatePair) -> Document:
        said = pair.said
        entry = self._entry.copy()
        entry["_id"] = pair.id
        entry["userId"] = said.user
        entry["inputTokens"] = said.input_tokens
        entry["outputTokens"] = said.output_tokens
        entry["tokensUsed"] = said.input_tokens + said.output_tokens
        entry["cost"] = from_units(pair.cost)
        entry["createdAt"] = pair.created_at
        entry["recordedAt"] = pair.now
        entry["inputCost"], entry["outputCost"] = from_units(pair.input_cost), from_units(pair.output_cost)
        if said.duration is not None:
            entry["requestDuration"] = said.duration
        if said.first_token is not None:
            entry["timeToFirstToken"] = said.first_token
        if said.more:
            entry |= said.more
        return entry

    def event(self, pair: TemplatePair) -> Document:
        said = pair.said
        event = self._event.copy()
        event["_id"] = pair.id
        event["userId"] = said.user
        event["properties"] = {**event["properties"], "cost": from_units(pair.cost)}
        event["createdAt"] = pair.created_at
        if said.clerk_user is not None:
            event["clerkUserId"] = said.clerk_user
        return event

    def packed_entry(self, pair: TemplatePair) -> bytes:
        """`entry` as BSON."""
        said, recorded = pair.said, milliseconds(pair.now)
        created = recorded if said.created_at is None else milliseconds(said.created_at)
        more = b"" if said.duration is None else int_field(b"requestDuration", said.duration)
        if said.first_token is not None:
            more += int_field(b"timeToFirstToken", said.first_token)
        if said.more:
            more += fields(said.more)
        amounts = pair.cost, pair.input_cost, pair.output_cost
        return self._packed_entry.pack(
            pair.id,
            said.user,
            inputs=said.input_tokens,
            outputs=said.output_tokens,
            amounts=amounts,
            created=created,
            recorded=recorded,
            more=more,
        )

    def packed_event(self, pair: TemplatePair) -> bytes:
        """`event` as BSON."""
        said = pair.said
        more = b"" if said.clerk_user is None else text_field(b"clerkUserId", said.clerk_user)
        return self._packed_event.pack(pair.id, said.user, pair.cost, milliseconds(pair.created_at), more)


class Templates:
    """Those of one process."""

    def __init__(self, pricing: Pricing) -> None:
        self._pricing = pricing
        self._prices = pricing.book.table
        self._recent: dict[Key, Template | None] = {}
        """None where there can be none."""
        self._older: dict[Key, Template | None] = {}
        self._once: set[Key] = set()
        """Of calls that came once."""

    def find(self, key: Key, said: Said) -> Template | None:
        """The template for such a call, if there is one."""
        if self._pricing.book.table is not self._prices:
            self._recent, self._older, self._prices = {}, {}, self._pricing.book.table
        template = self._recent.get(key)
        if template is None and (template := self._older.get(key)) is not None:
            self._keep(key, template)
        return None if template is None or said.input_tokens > template.rates.most_input else template

    def knows(self, key: Key, said: Said) -> bool:
        """Whether there is one now, for any thread: nothing changes."""
        template = self._recent.get(key) or self._older.get(key)
        return template is not None and said.input_tokens <= template.rates.most_input

    def learn(self, key: Key, said: Said, pair: Pair, cost: Cost) -> None:
        """Make a template from a call that was recorded in full, where its price allows that."""
        if key in self._recent or key in self._older:
            return
        if key not in self._once:  # most names that come only once are nobody's: they cost nothing more
            if len(self._once) >= MOST:
                self._once.clear()
            self._once.add(key)
            return
        client, _, model, provider, *_ = key
        rates = self._pricing.flat_rates(client, model, provider)
        template = None if rates is None else Template(pair, cost, rates)
        if template is not None and not _makes(template, said, pair, cost):
            template = None
        self._keep(key, template)

    def _keep(self, key: Key, template: Template | None) -> None:
        if len(self._recent) >= MOST:
            self._older, self._recent = self._recent, {}
        self._recent[key] = template


def counted(pairs: Sequence[Pair]) -> tuple[list[Document], list[Columns]]:
    """What `pairs` add to the rollups: the entries of some, and those of each template as columns."""
    entries: list[Document] = []
    alike: dict[Template, list[TemplatePair]] = {}
    for pair in pairs:
        if isinstance(pair, TemplatePair):
            if (found := alike.get(pair.template)) is None:
                found = alike[pair.template] = []
            found.append(pair)
        else:
            entries.append(pair.entry)
    return entries, [template.columns(of_template) for template, of_template in alike.items()]


def _makes(template: Template, said: Said, pair: Pair, cost: Cost) -> bool:
    """Whether a template makes of its own call what the full way made of it."""
    made = TemplatePair(template, said, pair.entry["recordedAt"], pair.id)
    packed = template.packed_entry(made), template.packed_event(made)
    encoded = bson.encode(pair.entry), bson.encode(pair.event)
    return packed == encoded and (made.entry, made.event, template.cost(made)) == (pair.entry, pair.event, cost)
