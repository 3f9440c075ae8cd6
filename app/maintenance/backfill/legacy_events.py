"""From an event without a ledger entry to that entry, and to the fields that the event itself lacks.

Events say little, and mostly the same: an entry is validated, priced and built as a live call is, once for each model,
content type and period of its prices, and then packed for each. Events that say what they used, or what it cost, are
each validated on their own.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions
from pydantic import ValidationError

from app.ledger.features import Feature
from app.ledger.packing import PackedAlike, milliseconds
from app.ledger.recording import Recorder
from app.ledger.twins import SCHEMA_VERSION
from app.maintenance.backfill.legacy_values import UnusableError, flag_of, moment_of, name_of, number_of
from models.base import camel
from models.call import UNKNOWN_MODEL, AICall
from models.documents import Document
from models.faults import faults_of
from models.rollups import EVERYONE
from models.token_usage import TOKEN_FIELDS

UNKNOWN_CONTENT = "unknown"
MEMORY = 10_000
"""Kinds of events that are cached; when there are more, the cache is cleared."""
SHAPES = 10
"""How many combinations of missing fields are cached per kind: most have one or two."""

FIELDS = ("_id", "userId", "clerkUserId", "clientId", "synthetic", "schemaVersion", "createdAt", "properties")
"""The fields that are read of an event."""

_MORE = ("images", "characters", "video_seconds", "audio_seconds", "size", "quality", "conversation_id")
_TIMES = ("request_duration", "time_to_first_token")
FACTS: Mapping[str, str] = {
    **{camel(field): field for field in ("cost", "tokens_used", *TOKEN_FIELDS, *_MORE, *_TIMES)},
    "tokens": "tokens_used",
    "totalTokens": "tokens_used",
    "promptTokens": "input_tokens",
    "completionTokens": "output_tokens",
}
"""Properties that describe the call beyond its names, and the field of `AICall` that each is.

Where several are the same field, the first one counts.
"""
_FACTS = frozenset(FACTS)
_OF_TOKENS = {"input": "inputTokens", "output": "outputTokens", "prompt": "inputTokens", "completion": "outputTokens"}
"""Where `tokens` is a document."""


class Kind(NamedTuple):
    """What all events of one kind share."""

    entry: Document
    properties: Document
    """What a live event of this kind has."""
    lacks: Document
    """Of the properties."""
    known_lacks: dict[tuple[object, ...], bytes]
    """What events of this kind lack as a whole, by what they have."""
    packed: dict[tuple[str, bool], PackedAlike | None] | None
    """Its entries by client and synthetic; None where they are to be encoded. Not for what is of one event alone."""


class Own(NamedTuple):
    """What an entry has of its event, beyond its kind."""

    id: ObjectId
    user: str
    client: str
    synthetic: bool
    moment: datetime


class LegacyTwin(NamedTuple):
    """The result for an event."""

    kind: Kind
    own: Own
    packed: bytes
    """The encoded entry."""
    lacks: bytes
    """The encoded `$set` after which the event says what a live one would."""

    @property
    def entry(self) -> Document:
        return bson.decode(self.packed, _AWARE)


class LegacyEvents:
    """Makes the entries of events. `client` is for events that name none."""

    def __init__(self, recorder: Recorder, client: str) -> None:
        self._recorder = recorder
        self._client = client
        self._kinds: dict[tuple[object, ...], Kind] = {}

    def twin(self, event: Document, now: datetime) -> LegacyTwin:
        """The entry of `event`, recorded `now`. Raises UnusableError."""
        event_id = event["_id"]
        if not isinstance(event_id, ObjectId):
            raise UnusableError("_id", f"is not an ObjectId but of type {type(event_id).__name__}")
        moment = moment_of(event.get("createdAt"), now)
        client = self._client_of(event)
        synthetic = flag_of(event.get("synthetic"), "synthetic", default=False)
        own = Own(event_id, self._user(event), client, synthetic, moment)
        said = event.get("properties")
        properties = {} if said is None else said
        if not isinstance(properties, dict):
            raise UnusableError("properties", "is not a document")
        if not _FACTS.isdisjoint(properties) and (facts := _facts(properties)):
            kind = self._built(properties, facts, client, moment, now)
        else:
            kind = self._remembered(properties, client, moment, now)
        return LegacyTwin(kind, own, _packed(kind, own, now), _lacks(event, own, kind, whole=said is None))

    def _user(self, event: Document) -> str:
        user = name_of(event.get("userId"), "userId") or name_of(event.get("clerkUserId"), "clerkUserId")
        if user is None:
            raise UnusableError("userId", "is missing")
        return user

    def _client_of(self, event: Document) -> str:
        client = name_of(event.get("clientId"), "clientId") or self._client
        if client == EVERYONE:
            raise UnusableError("clientId", f"is {EVERYONE}, which stands for all clients")
        return client

    def _remembered(self, properties: Document, client: str, moment: datetime, now: datetime) -> Kind:
        get = properties.get
        model, provider = _name(properties, "model") or UNKNOWN_MODEL, _name(properties, "provider")
        said = get("contentType"), get("model"), get("provider"), get("feature")
        shape = _exact(get("cached")), _exact(get("success")), "cost" in properties
        key = *said, *shape, self._recorder.pricing.period(client, model, provider, moment)
        try:
            kind = self._kinds.get(key)
        except TypeError:  # a list or a document where a name should be
            return self._built(properties, {}, client, moment, now)
        if kind is None:
            kind = self._built(properties, {}, client, moment, now)._replace(packed={})
            if len(self._kinds) >= MEMORY:
                self._kinds.clear()
            self._kinds[key] = kind
        return kind

    def _built(self, properties: Document, facts: dict[str, Any], client: str, moment: datetime, now: datetime) -> Kind:
        """As a live call is built: by the same validation and prices."""
        content_type = _name(properties, "contentType") or UNKNOWN_CONTENT
        cached = flag_of(properties.get("cached"), "properties.cached", default=False)
        if cached and not facts.get("cost"):
            facts.pop("cost", None)  # it cost nothing: what is needed is what it would have cost
        call = _call(
            user_id="-",
            client_id=client,
            content_type=content_type,
            model=_name(properties, "model") or UNKNOWN_MODEL,
            provider=_name(properties, "provider"),
            cached=cached,
            success=flag_of(properties.get("success"), "properties.success", default=True),
            created_at=moment,
            **facts,
        )
        feature = self._feature(content_type, _name(properties, "feature"))
        pair, _ = self._recorder.record(call, now, entry_id=_NO_ID, feature=feature)
        live = pair.event["properties"]
        return Kind(pair.entry, live, _lacking(properties, live), {}, None)

    def _feature(self, content_type: str, said: str | None) -> Feature:
        """What the event says takes precedence: its writer knew more than a mapping does."""
        mapped = self._recorder.features.of(content_type)
        return mapped if said is None else Feature(said, mapped.service_type)


_NO_ID = ObjectId(b"\0" * 12)
_AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)


def _packed(kind: Kind, own: Own, now: datetime) -> bytes:
    """The entry, encoded."""
    known, key = kind.packed, (own.client, own.synthetic)
    if known is None:
        return bson.encode(_entry(kind, own, now))
    if (packed := known.get(key)) is None:
        entry = _entry(kind, own, now)
        encoded = bson.encode(entry)
        if key not in known and len(known) < SHAPES:
            packed = PackedAlike(entry)
            # a name that happens to hold a mark would be cut there
            known[key] = packed if _pack(packed, own, now) == encoded else None
        return encoded
    return _pack(packed, own, now)


def _pack(packed: PackedAlike, own: Own, now: datetime) -> bytes:
    return packed.pack(own.id, own.user, milliseconds(own.moment), milliseconds(now))


def _entry(kind: Kind, own: Own, now: datetime) -> Document:
    return {**kind.entry, "_id": own.id, **_said(own), "recordedAt": now}


def _said(own: Own) -> Document:
    return {"userId": own.user, "clientId": own.client, "synthetic": own.synthetic, "createdAt": own.moment}


def _name(properties: Document, name: str) -> str | None:
    return name_of(properties.get(name), f"properties.{name}")


def _exact(value: object) -> object:
    """`value` as part of a key: 1 differs from True there, because that event has to be corrected."""
    return value if value is None or isinstance(value, bool) else (type(value), value)


def _facts(properties: Document) -> dict[str, Any]:
    """The fields of AICall that an event says beyond its names."""
    found: dict[str, Any] = {}
    for name, field in FACTS.items():
        if name == "tokens" and isinstance(tokens := properties.get(name), dict):
            parts = [(FACTS[of], number_of(tokens[part])) for part, of in _OF_TOKENS.items() if part in tokens]
        else:
            parts = [(field, _fact(name, properties.get(name)))]
        for part, value in parts:
            if value is not None:
                found.setdefault(part, value)
    if "input_tokens" in found or "output_tokens" in found:
        found.pop("tokens_used", None)  # the parts say more, and totals of old writers are incomplete
    return found


def _fact(name: str, value: object) -> Any:
    if value == "":
        return None
    return name_of(value, f"properties.{name}") if name == "conversationId" else number_of(value)


def _call(**fields: Any) -> AICall:
    try:
        return AICall(**fields)
    except ValidationError as error:
        field, reason = faults_of(error)[0]
        raise UnusableError(f"properties.{camel(field)}", reason) from error


def _lacking(properties: Document, live: Document) -> Document:
    """What properties lack, or have in a form that reports cannot read. The provider stays as reported."""
    return {name: value for name, value in live.items() if not _stands(properties, name, value)}


def _stands(properties: Document, name: str, value: object) -> bool:
    stored = properties.get(name)
    if name == "provider":
        return isinstance(stored, str) and stored != ""
    return name in properties and _same(stored, value)


def _lacks(event: Document, own: Own, kind: Kind, *, whole: bool) -> bytes:
    """What the event as a whole lacks. Most events of a kind lack the same, which is encoded once."""
    get = event.get
    if get("userId") != own.user or get("createdAt") != own.moment:
        return _encoded_lacks(event, own, kind, whole=whole)
    client = own.client
    shape = client if get("clientId") != client else None, _exact(get("synthetic")), "schemaVersion" in event, whole
    lacks = kind.known_lacks.get(shape)
    if lacks is None:
        lacks = _encoded_lacks(event, own, kind, whole=whole)
        if len(kind.known_lacks) < SHAPES:
            kind.known_lacks[shape] = lacks
    return lacks


def _encoded_lacks(event: Document, own: Own, kind: Kind, *, whole: bool) -> bytes:
    lacks = {name: value for name, value in _said(own).items() if not _same(event.get(name), value)}
    if "schemaVersion" not in event:
        lacks["schemaVersion"] = SCHEMA_VERSION
    if whole:
        lacks["properties"] = kind.properties
    else:
        lacks |= {f"properties.{name}": value for name, value in kind.lacks.items()}
    return bson.encode(lacks)


def _same(stored: object, value: object) -> bool:
    return stored == value and isinstance(stored, bool) is isinstance(value, bool)
