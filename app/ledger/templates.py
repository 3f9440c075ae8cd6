"""Calls of the common shape: what those of one client, content type, model and provider share is worked out once.

A template is made from a call that was recorded in full, and gives the same documents for the next ones, whose users,
tokens and times alone differ. It is for prices by the plain token. What has anything else goes the full way, and so do
all calls whose price an override, a date, a tier, a place or their size has a say in.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from bson import ObjectId

from app.ledger.twins import Pair
from app.pricing.costs import Cost, Pricing
from app.pricing.token_rates import FlatRates
from app.rollups.usage_sums import Columns
from models.base import camel
from models.call import DEFAULT_CLIENT, AICall
from models.documents import Document
from models.fields import MAX_COUNT, MAX_MILLISECONDS
from models.money import from_units, usd_of_units

MOST = 1_000
"""Templates of each of two generations: new names in every call neither grow them nor push out the frequent ones."""
MAX_NAME = 256

Key = tuple[Any, ...]
"""Client, content type, model, provider, success, status, service type, and whether it is synthetic."""

_SHARED = ("client_id", "content_type", "model", "provider", "success", "status", "service_type", "synthetic")
_OPTIONAL = ("campaign_id", "conversation_id", "endpoint", "metadata")
"""In the order in which they are stored."""
_OWN = (
    *("user_id", "request_id", "clerk_user_id", "created_at", "tokens_used"),
    *("input_tokens", "output_tokens", "request_duration", "time_to_first_token"),
)
_CALL = frozenset({*_SHARED, *_OWN, *_OPTIONAL})
_REPORTED = frozenset(
    {
        *("user_id", "client_id", "request_id", "conversation_id", "content_type", "model", "provider", "success"),
        *("input_tokens", "output_tokens", "request_duration", "time_to_first_token"),
    }
)
_ABSENT = frozenset({"requestDuration", "timeToFirstToken", *map(camel, _OPTIONAL)})
"""Fields of an entry that a template does not have."""


class Said(NamedTuple):
    """What a call of the common shape says, beside what its template knows."""

    user: str
    input_tokens: int
    output_tokens: int
    duration: int | None
    first_token: int | None
    more: Document
    """Further fields of its entry, in their order."""
    request_id: str | None = None
    clerk_user: str | None = None
    created_at: datetime | None = None


class TemplatePair(Pair):
    """A pair whose documents are made when they are asked for."""

    __slots__ = ("cost", "input_cost", "now", "output_cost", "said", "template")

    def __init__(self, template: "Template", said: Said, now: datetime, entry_id: ObjectId) -> None:
        self.id = entry_id
        self.stamped = said.created_at is None
        self.shared_id = None
        self.template = template
        self.said = said
        self.now = now
        rates = template.rates
        # in units of the last stored decimal
        self.input_cost = rates.input * said.input_tokens
        self.output_cost = rates.output * said.output_tokens
        self.cost = self.input_cost + self.output_cost + rates.fee

    def __getattr__(self, name: str) -> Any:
        """The documents, the first time."""
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


class Template:
    """What calls share, from one of them."""

    def __init__(self, of: Pair, cost: Cost, rates: FlatRates) -> None:
        self.rates = rates
        self.feature = of.feature
        self._cost = cost
        self._fee = usd_of_units(rates.fee)
        self._entry = {name: value for name, value in of.entry.items() if name not in _ABSENT}
        self._event = {name: value for name, value in of.event.items() if name != "clerkUserId"}

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
            moments=[each.created_at or pair.now for pair, each in zip(pairs, said, strict=True)],
            users=[each.user for each in said],
            conversations=[each.more.get("conversationId") for each in said],
            input_tokens=[each.input_tokens for each in said],
            output_tokens=[each.output_tokens for each in said],
            durations=[each.duration for each in said],
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
        entry["createdAt"] = said.created_at or pair.now
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
        event["createdAt"] = said.created_at or pair.now
        if said.clerk_user is not None:
            event["clerkUserId"] = said.clerk_user
        return event


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


def of_call(call: AICall) -> tuple[Key, Said] | None:
    """What a call says, if it is of the common shape."""
    inputs, outputs = call.input_tokens, call.output_tokens
    if inputs is None or outputs is None or not call.model_fields_set <= _CALL:
        return None
    key = (
        *(call.client_id, call.content_type, call.model, call.provider),
        *(call.success, call.status, call.service_type, call.synthetic),
    )
    more = {camel(name): value for name in _OPTIONAL if (value := getattr(call, name))}
    return key, Said(
        *(call.user_id, inputs, outputs, call.request_duration, call.time_to_first_token, more),
        *(call.request_id, call.clerk_user_id, call.created_at),
    )


def of_reported(reported: Mapping[str, Any]) -> tuple[Key, Said] | None:
    """What the fields of `AICall` say, where they are of the common shape and it would accept each as it is.

    None where anything is unusual, also if it is valid: `AICall` decides. What the key names, a call of that template
    has been accepted with.
    """
    if not reported.keys() <= _REPORTED:
        return None
    get = reported.get
    client, content_type, model = get("client_id", DEFAULT_CLIENT), get("content_type"), get("model")
    provider, success = get("provider"), get("success")
    user, conversation, request_id = get("user_id"), get("conversation_id"), get("request_id")
    inputs, outputs = get("input_tokens"), get("output_tokens")
    if not (
        (type(client) is type(content_type) is type(model) is str)
        and (provider is None or type(provider) is str)
        and (success is None or success is True or success is False)
        and (type(user) is str and 0 < len(user) <= MAX_NAME and user.isprintable())
        and (conversation is None or _is_name(conversation))
        and (request_id is None or _is_name(request_id))
        and (type(inputs) is int and 0 <= inputs <= MAX_COUNT)
        and (type(outputs) is int and 0 <= outputs <= MAX_COUNT)
    ):
        return None
    durations = []
    for name in ("request_duration", "time_to_first_token"):
        duration = get(name)
        if duration is not None:
            if not (type(duration) is int or type(duration) is float) or not 0 <= duration <= MAX_MILLISECONDS:
                return None
            duration = round(duration)
        durations.append(duration)
    more = {} if conversation is None else {"conversationId": conversation}
    key = client, content_type, model, provider, success, None, None, False
    return key, Said(user, inputs, outputs, durations[0], durations[1], more, request_id)


def _is_name(value: object) -> bool:
    return type(value) is str and 0 < len(value) <= MAX_NAME and value.isprintable()


def _makes(template: Template, said: Said, pair: Pair, cost: Cost) -> bool:
    """Whether a template makes of its own call what the full way made of it."""
    made = TemplatePair(template, said, pair.entry["recordedAt"], pair.id)
    return (made.entry, made.event, template.cost(made)) == (pair.entry, pair.event, cost)
