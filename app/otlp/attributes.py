"""The attributes that are read, by name, and their values as Python.

Names are those of OpenTelemetry's GenAI conventions, newest first, then of openllmetry, OpenInference, Langfuse and the
Vercel AI SDK. Where a table has several names for one thing, the first that a span has stands. Beside these only what a
span says of its usage is read, see `usage_names`: an attribute that is neither named here nor of usage never is.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from pydantic import TypeAdapter, ValidationError

from app.otlp.usage_attributes import SCALARS, Said, Value, leaves_of, leaves_of_metadata
from app.otlp.usage_names import MAX_NAME, PROVIDER_METADATA, meaning_of
from models.fields import Name

Attributes = Mapping[str, Value]
Usage = dict[str, Said]
"""What a span says of its usage, in its order, by the names of the attributes."""
Names = tuple[str, ...]

OPERATION: Names = ("gen_ai.operation.name",)
OPENINFERENCE_KIND: Names = ("openinference.span.kind",)
TRACELOOP_KIND: Names = ("traceloop.span.kind",)
REQUEST_TYPE: Names = ("llm.request.type",)
AI_SDK_OPERATION: Names = ("ai.operationId", "operation.name")
LANGFUSE_TYPE: Names = ("langfuse.observation.type",)
LANGSMITH_KIND: Names = ("langsmith.span.kind",)

# llm.provider hosts the model, llm.system made it
PROVIDER: Names = (
    "gen_ai.provider.name",
    "gen_ai.system",
    "llm.provider",
    "llm.system",
    "llm.vendor",
    "ai.model.provider",
)
RESPONSE_MODEL: Names = ("gen_ai.response.model", "llm.response.model_name", "llm.response.model", "ai.response.model")
REQUEST_MODEL: Names = (
    "gen_ai.request.model",
    "llm.model_name",
    "embedding.model_name",
    "llm.request.model_name",
    "llm.request.model",
    "ai.model.id",
    "langfuse.observation.model.name",
)
MODEL: Names = RESPONSE_MODEL + REQUEST_MODEL
RESPONSE_ID: Names = ("gen_ai.response.id", "ai.response.id")
PARAMETERS: Names = ("llm.invocation_parameters", "embedding.invocation_parameters")
"""The request as JSON without its messages: a model or a user may be named nowhere else."""

ERROR_TYPE: Names = ("error.type",)
FIRST_TOKEN_SECONDS: Names = ("gen_ai.response.time_to_first_chunk",)
FIRST_TOKEN_MS: Names = ("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk")
REGION: Names = ("cloud.region",)
"""Of the span, which is the model's; the resource's is where the application runs."""
SERVICE: Names = ("service.name",)
ENVIRONMENT: Names = ("deployment.environment.name", "deployment.environment")

CONTEXT: dict[str, Names] = {
    "user_id": (
        "twinmeter.user_id",
        "user.id",
        "enduser.id",
        "gen_ai.user",
        "llm.user",
        "langfuse.user.id",
        "traceloop.association.properties.user_id",
        "ai.telemetry.metadata.userId",
    ),
    "conversation_id": (
        "twinmeter.conversation_id",
        "gen_ai.conversation.id",
        "session.id",
        "langfuse.session.id",
        "traceloop.association.properties.conversation_id",
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.thread_id",
        "ai.telemetry.metadata.sessionId",
    ),
    "content_type": ("twinmeter.content_type",),
    "campaign_id": ("twinmeter.campaign_id",),
    "experiment": ("twinmeter.experiment",),
    "variant": ("twinmeter.variant",),
    "reservation_id": ("twinmeter.reservation.id",),
    "endpoint": ("twinmeter.endpoint",),
    "synthetic": ("twinmeter.synthetic",),
}
"""Fields of `AICall` that a span may leave to the spans around it, or to its resource."""
CONTEXT_NAMES = frozenset().union(*CONTEXT.values())

_RANKS = {name: (field, rank) for field, names in CONTEXT.items() for rank, name in enumerate(names)}

KNOWN = frozenset().union(
    OPERATION, OPENINFERENCE_KIND, TRACELOOP_KIND, REQUEST_TYPE, AI_SDK_OPERATION, LANGFUSE_TYPE, LANGSMITH_KIND,
    PROVIDER, RESPONSE_MODEL, REQUEST_MODEL, RESPONSE_ID, PARAMETERS, ERROR_TYPE, FIRST_TOKEN_SECONDS, FIRST_TOKEN_MS,
    REGION, SERVICE, ENVIRONMENT, CONTEXT_NAMES,
)  # fmt: skip

_OWN = frozenset().union(
    RESPONSE_ID,
    FIRST_TOKEN_SECONDS,
    FIRST_TOKEN_MS,
    CONTEXT["user_id"],
    CONTEXT["conversation_id"],
    CONTEXT["reservation_id"],
)
"""In which spans of one instrumentation and model differ."""

REMEMBERED = 8_192
MAX_REMEMBERED = 64
"""Bytes: what is remembered of attributes stays small, and has no prompts."""
MAX_SHARED = 256
"""Bytes of an attribute that is compared with those of other spans."""

_name = TypeAdapter[str](Name)
_PLAIN_NAME = re.compile(r"[\x20-\x7e]{1,256}")


class Found(NamedTuple):
    """What a span says, and under which name."""

    attribute: str
    value: Value


Context = dict[str, Found]
"""What a call takes from the spans around it, by field of `AICall`."""


class Shared(NamedTuple):
    """The same, where other spans say so as well."""

    attribute: str
    value: Value
    kind: type
    """Of the value: True equals 1."""
    is_small: bool


Kind = tuple[Shared, ...]
"""What spans say that are of one kind, in their order."""


class UnusableSpanError(Exception):
    """An inference span that cannot be recorded. The message says why; it quotes no value."""


def read(pairs: Iterable[bytes]) -> tuple[dict[str, Value], Usage, Kind]:
    """Those of a span's or a resource's attributes that are known, those that say what was used, with their objects
    opened, and those of the first that make its kind. One without a value is not there. `pairs`: each is a `KeyValue`.
    """
    found: dict[str, Value] = {}
    said: Usage = {}
    shared: list[Shared] = []
    for pair in pairs:
        for each in _remembered(pair) if len(pair) <= MAX_REMEMBERED else _opened(pair):
            if isinstance(each, Said):
                said[each.attribute] = each
                continue
            found[each.attribute] = each.value
            if isinstance(each, Shared):
                shared.append(each)
    return found, said, tuple(shared)


def _opened(pair: bytes) -> tuple["Found | Said | Shared", ...]:
    """What one attribute says; nothing where it is none of those."""
    attribute = KeyValue.FromString(pair)
    key, value = attribute.key, attribute.value
    meaning = None if key in KNOWN else meaning_of(key)
    if meaning is None and key not in KNOWN and key != PROVIDER_METADATA:
        return ()
    kind = value.WhichOneof("value")
    if kind is None:
        return ()
    if key in KNOWN:
        known = getattr(value, kind) if kind in SCALARS else None
        return (Found(key, known) if key in _OWN else Shared(key, known, type(known), len(pair) <= MAX_SHARED),)
    if kind == "int_value" and meaning is not None and len(key) <= MAX_NAME:  # as nearly all are
        return (Said(key, meaning, value.int_value),)
    leaves = leaves_of_metadata(value) if meaning is None else leaves_of(key, value, kind)
    return tuple(Said(name, means, leaf) for name, leaf in leaves if (means := meaning_of(name)) is not None)


_remembered = lru_cache(REMEMBERED)(_opened)
"""Most attributes of a span are those of others: which model, whose, and of counts the small ones."""


def context_in(attributes: Attributes) -> "Context":
    """What attributes say of the context of a call: of each field the `first` of its names."""
    ranks: dict[str, int] = {}
    for name in attributes:
        if name in _RANKS and attributes[name] != "":
            field, rank = _RANKS[name]
            ranks[field] = min(rank, ranks.get(field, rank))
    return {
        field: Found(name, attributes[name])
        for field, names in CONTEXT.items()
        if field in ranks
        for name in [names[ranks[field]]]
    }


def first(attributes: Attributes, names: Names) -> Found | None:
    """The first of `names` that is there. An empty string counts as absent."""
    for name in names:
        if name in attributes and (value := attributes[name]) != "":
            return Found(name, value)
    return None


def text(found: Found | None) -> str | None:
    """What was found, where it is a string or an integer, as ids sometimes are."""
    if found is None or isinstance(found.value, bool) or not isinstance(found.value, str | int):
        return None
    return str(found.value)


def name(found: Found | None) -> str | None:
    """What was found, as a name that `AICall` accepts. Raises UnusableSpanError where it is not one."""
    if found is None:
        return None
    if type(found.value) is str and _PLAIN_NAME.fullmatch(found.value):  # a fifth of the time
        return found.value
    try:
        return _name.validate_python(text(found))
    except ValidationError:
        reason = "must be a string of 1 to 256 characters without control characters"
        raise UnusableSpanError(f"{found.attribute} {reason}") from None


def short_text(found: Found | None) -> str | None:
    """What was found, where it is a name; else None, for what a call can do without."""
    try:
        return name(found)
    except UnusableSpanError:
        return None
