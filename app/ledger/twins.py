"""From a priced call to its two documents."""

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from bson import Decimal128, ObjectId

from app.ledger.features import Feature
from app.pricing.costs import PricedCall
from models import AI_GENERATION, CallStatus, ServiceType
from models.base import camel
from models.call import AICall
from models.documents import Document
from models.money import stored_usd
from models.token_usage import PART_TOKENS

SCHEMA_VERSION = 1

OPTIONAL_FIELDS = {
    name: camel(name)
    for name in (
        "conversation_id",
        "endpoint",
        "error_message",
        *PART_TOKENS,
        "images",
        "characters",
        "video_seconds",
        "audio_seconds",
        "size",
        "quality",
        "unreadable_usage",
        "service_tier",
        "batch",
        "region",
        "ip_address",
        "user_agent",
        "campaign_id",
        "experiment",
        "variant",
        "cost_basis",
        "aggregated",
        "aggregated_requests",
        "metadata",
        "reservation_id",
        "upstream",
    )
}
"""Facts that most calls do not have: stored when reported and not zero."""

_DECIDED_HERE = frozenset(
    {"_id", "recordedAt", "schemaVersion", "priceVersion", "savedCost", "estimatedUsage", "repriced", "unpricedReason"}
    | {"keyId"}
)
_DECIDED_BY_PRICES = frozenset({"inputCost", "outputCost", "generationCost", "cost", "costSource"})


@dataclass(slots=True)
class Pair:
    """The twins of one call, and what decides how a repeated report is treated."""

    id: ObjectId
    entry: Document
    event: Document
    stamped: bool
    """Whether the time of the call is ours, because the caller gave none."""
    shared_id: ObjectId | None = None
    """Where the user reports it with a token of their own: its id if the application has reported it, or an earlier
    version stored it. What is found there is this call only if it is the user's.
    """

    @property
    def feature(self) -> str:
        feature: str = self.entry["feature"]
        return feature

    def entry_to_store(self) -> Mapping[str, Any]:
        """As the driver sends it."""
        return self.entry

    def event_to_store(self) -> Mapping[str, Any]:
        return self.event

    @property
    def ids(self) -> tuple[ObjectId, ...]:
        """Under which the same call may have been reported before."""
        return (self.id,) if self.shared_id is None else (self.id, self.shared_id)

    def first_in(self, entries: Mapping[ObjectId, Document]) -> Document | None:
        """The entry of the first report of this call among `entries`, by id."""
        if (own := entries.get(self.id)) is not None or self.shared_id is None:
            return own
        shared = entries.get(self.shared_id)
        return shared if shared is not None and shared["userId"] == self.entry["userId"] else None

    def conflicts_with(self, stored: Document) -> bool:
        """Whether `stored`, an entry of the same call, differs from this one in what it says about it."""
        return self.said_by(self.entry) != self.said_by(stored)

    def said_by(self, entry: Document) -> Document:
        """What `entry` says about the call itself, as far as this pair's caller determines it."""
        ignored = set(_DECIDED_HERE)
        if self.stamped:
            ignored.add("createdAt")
        if self.entry["costSource"] != "reported":
            ignored |= _DECIDED_BY_PRICES
        return {name: value for name, value in entry.items() if name not in ignored}


class IdMint:
    """Makes fresh ObjectIds: seconds, five random bytes of this mint, and a counter.

    As `ObjectId()` does, which asks the system for the process id each time, and so costs a tenth of a whole report.
    """

    def __init__(self) -> None:
        self._mint = os.urandom(5)
        self._count = itertools.count(int.from_bytes(os.urandom(3), "big"))

    def id_of(self, client_id: str, request_id: str | None, now: datetime) -> ObjectId:
        """The `_id` of both twins of a call: one that follows from its request id, else a fresh one."""
        return self.fresh(now) if request_id is None else twin_id(client_id, request_id)

    def fresh(self, now: datetime) -> ObjectId:
        count = next(self._count) & 0xFFFFFF
        return ObjectId(int(now.timestamp()).to_bytes(4, "big") + self._mint + count.to_bytes(3, "big"))

    def has_made(self, id_: ObjectId) -> bool:
        """Whether it is a fresh one of this mint, under which nobody can have reported a call before."""
        return id_.binary[4:9] == self._mint


def twin_id(client_id: str, request_id: str, user_id: str | None = None) -> ObjectId:
    """The `_id` of both twins of a named request: always the same one, so that a replay is the same document.

    `user_id` is given where the user reports it with a token of their own: their request ids are theirs alone.

    96 bits of BLAKE2b: two of ten billion requests share an id with a probability below one in a billion. The client's
    and the user's name are part of it (none contains a zero byte), so they can only hit another one's ids by a second
    preimage.
    """
    owner = client_id if user_id is None else f"{client_id}\0{user_id}"
    return ObjectId(blake2b(f"{owner}\0{request_id}".encode(), digest_size=12).digest())


def service_type_of(call: AICall, feature: Feature) -> ServiceType:
    """As the caller says, else as the content type implies."""
    return call.service_type or feature.service_type


def build_pair(
    call: AICall, feature: Feature, priced: PricedCall, now: datetime, entry_id: ObjectId, *, key_id: str | None = None
) -> Pair:
    """Both documents of `call`, which `Privacy` has stripped, as MongoDB stores them. `now` is the time of the report,
    UTC, and `key_id` names the API key that reported it.
    """
    entry = _entry(entry_id, call, feature, priced, now)
    if key_id is not None:
        entry["keyId"] = key_id
    event = event_of(entry)
    if call.clerk_user_id is not None:
        event["clerkUserId"] = call.clerk_user_id
    return Pair(entry["_id"], entry, event, call.created_at is None)


def _entry(entry_id: ObjectId, call: AICall, feature: Feature, priced: PricedCall, now: datetime) -> Document:
    cost, usage, outcome = priced.cost, priced.usage, call.outcome
    entry: Document = {
        "_id": entry_id,
        "schemaVersion": SCHEMA_VERSION,
        "userId": call.user_id,
        "clientId": call.client_id,
        "contentType": call.content_type,
        "feature": feature.name,
        "serviceType": str(service_type_of(call, feature)),
        "provider": priced.seller.provider,
        "aiModel": call.model,
        "status": str(outcome),
        "success": outcome is CallStatus.SUCCESS,
        "cached": call.cached,
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "tokensUsed": call.tokens_used if call.tokens_used is not None else usage.total_tokens,
        "cost": None if cost.cost is None else stored_usd(cost.cost),
        "savedCost": stored_usd(cost.saved_cost),
        "costSource": str(cost.source),
        "synthetic": call.synthetic,
        "createdAt": call.created_at or now,
        "recordedAt": now,
    }
    if cost.parts is not None:
        entry["inputCost"], entry["outputCost"], entry["generationCost"] = map(stored_usd, cost.parts)
    if priced.seller.reported_provider is not None:
        entry["reportedProvider"] = priced.seller.reported_provider
    if priced.estimated is not None:
        entry["estimatedUsage"] = priced.estimated
    if not feature.mapped:
        entry["unmapped"] = True
    if cost.price_version is not None:
        entry["priceVersion"] = cost.price_version
    if cost.unpriced_reason is not None:
        entry["unpricedReason"] = cost.unpriced_reason
    if call.request_duration is not None:
        entry["requestDuration"] = call.request_duration
    if call.time_to_first_token is not None:
        entry["timeToFirstToken"] = call.time_to_first_token
    _add_optional(entry, call)
    if call.is_unreadable:
        entry["unreadableUsage"] = True
    return entry


def _add_optional(entry: Document, call: AICall) -> None:
    for attribute in sorted(call.model_fields_set & OPTIONAL_FIELDS.keys()):
        if value := getattr(call, attribute):
            entry[OPTIONAL_FIELDS[attribute]] = Decimal128(value) if type(value) is Decimal else value
    if call.attempts:
        entry["attempts"] = [attempt.stored() for attempt in call.attempts]


def event_of(entry: Document) -> Document:
    """The event of an entry. Only its external id, `clerkUserId`, does not follow from the entry."""
    return {
        "_id": entry["_id"],
        "schemaVersion": SCHEMA_VERSION,
        "userId": entry["userId"],
        "clientId": entry["clientId"],
        "event": AI_GENERATION,
        "properties": {
            "contentType": entry["contentType"],
            "model": entry["aiModel"],
            "provider": entry["provider"],
            "cached": entry["cached"],
            "feature": entry["feature"],
            "cost": entry["cost"],
            "success": entry["success"],
        },
        "synthetic": entry["synthetic"],
        "createdAt": entry["createdAt"],
    }
