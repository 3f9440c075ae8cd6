"""What a call of the common shape says: one of plain tokens, as nearly all are."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple, Self

from models.ai_usage import ServiceType
from models.base import camel
from models.call import DEFAULT_CLIENT, AICall
from models.documents import Document
from models.fields import CLOCK_TOLERANCE, MAX_COUNT, MAX_MILLISECONDS, MAX_NAME, OLDEST
from models.moments import in_milliseconds
from models.token_usage import PART_TOKENS

Key = tuple[Any, ...]
"""Client, content type, model, provider, success, status, service type, and whether it is synthetic."""

_SHARED = ("client_id", "content_type", "model", "provider", "success", "status", "service_type", "synthetic")
_OPTIONAL = (
    *("campaign_id", "conversation_id", "endpoint", "experiment", "metadata", "reservation_id", "upstream", "variant"),
)
"""In the order in which they are stored."""
_OWN = (
    *("user_id", "request_id", "clerk_user_id", "created_at", "tokens_used"),
    *("input_tokens", "output_tokens", "request_duration", "time_to_first_token"),
)
_CALL = frozenset({*_SHARED, *_OWN, *_OPTIONAL})
_COUNTS = frozenset({*PART_TOKENS, "images", "characters"})
"""Which say no more than their absence where they are zero."""
_REPORTED = frozenset(
    {
        *(
            "user_id",
            "client_id",
            "request_id",
            "conversation_id",
            "reservation_id",
            "content_type",
            "model",
            "provider",
            "success",
        ),
        *("input_tokens", "output_tokens", "request_duration", "time_to_first_token", "created_at"),
    }
)
_NAMED = ("campaign_id", "conversation_id", "endpoint", "experiment", "reservation_id", "upstream", "variant")
"""Of those that are stored where they are said, the ones that are names; in the same order."""
_IN_PROCESS = _REPORTED.union(_NAMED, _COUNTS, ("service_type",))
"""Which callers in process say, the gateway among them."""
_PARTS = frozenset(PART_TOKENS)
_OF_SPANS = _PARTS.union(
    _REPORTED - {"success"}, ("status", "service_type", "synthetic", "endpoint", "metadata", "created_at")
)
_ABOUT_SPANS = frozenset({"traceId", "spanId", "service", "environment"})
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|\+00:00)")
_SENT = {camel(name): name for name in _REPORTED}
"""The same by their names over HTTP."""
_STORED = {name: camel(name) for name in _OPTIONAL}
MORE = frozenset({"requestDuration", "timeToFirstToken", *_STORED.values(), "keyId"})
"""Fields of an entry that not every call of a template has."""


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

    def reported_with(self, key_id: str) -> Self:
        """The same of a call that an API key reported."""
        return self._replace(more={**self.more, "keyId": key_id})


class CommonCall(NamedTuple):
    """A reported call of the common shape, of a kind that `AICall` has accepted: it is valid without being checked
    again, and recorded from its template.
    """

    fields: Mapping[str, Any]
    """Those of `AICall`."""
    key: Key
    said: Said

    @property
    def client_id(self) -> str:
        client: str = self.key[0]
        return client

    @property
    def content_type(self) -> str:
        content_type: str = self.key[1]
        return content_type

    @property
    def user_id(self) -> str:
        return self.said.user

    @property
    def request_id(self) -> str | None:
        return self.said.request_id

    @property
    def created_at(self) -> datetime | None:
        return self.said.created_at

    def in_full(self) -> AICall:
        """The same for those who ask for more."""
        return AICall.model_validate(self.fields)


def by_own_names(sent: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was sent over HTTP, by the names of `AICall`; None where one of them is of no call of the common shape."""
    try:
        return {_SENT[name]: value for name, value in sent.items()}
    except KeyError:
        return None


def of_call(call: AICall | CommonCall) -> tuple[Key, Said] | None:
    """What a call says, if it is of the common shape."""
    if isinstance(call, CommonCall):
        return call.key, call.said
    inputs, outputs = call.input_tokens, call.output_tokens
    if inputs is None or outputs is None:
        return None
    unusual = call.model_fields_set - _CALL
    if unusual and (not unusual <= _COUNTS or any(getattr(call, name) for name in unusual)):
        return None
    key = (
        *(call.client_id, call.content_type, call.model, call.provider),
        *(call.success, call.status, call.service_type, call.synthetic),
    )
    more = {name: value for field, name in _STORED.items() if (value := getattr(call, field))}
    return key, Said(
        *(call.user_id, inputs, outputs, call.request_duration, call.time_to_first_token, more),
        *(call.request_id, call.clerk_user_id, call.created_at),
    )


def of_reported(reported: Mapping[str, Any]) -> tuple[Key, Said] | None:
    """What the fields of `AICall` say, where they are of the common shape and it would accept each as it is.

    None where anything is unusual, also if it is valid: `AICall` decides. What the key names, a call of that template
    has been accepted with.
    """
    if not reported.keys() <= _IN_PROCESS:
        return None
    get = reported.get
    if any(type(count := reported[name]) is not int or count for name in reported.keys() & _COUNTS):
        return None
    client, content_type, model = get("client_id", DEFAULT_CLIENT), get("content_type"), get("model")
    provider, success = get("provider"), get("success")
    user, request_id, service_type = get("user_id"), get("request_id"), get("service_type")
    named = [(name, said) for name in _NAMED if (said := get(name)) is not None]
    inputs, outputs = get("input_tokens"), get("output_tokens")
    if not (
        (type(client) is type(content_type) is type(model) is str)
        and (provider is None or type(provider) is str)
        and (success is None or success is True or success is False)
        and (type(user) is str and 0 < len(user) <= MAX_NAME and user.isprintable())
        and (service_type is None or type(service_type) is ServiceType)
        and all(is_name(said) for _, said in named)
        and (request_id is None or is_name(request_id))
        and ((get("experiment") is None) == (get("variant") is None))
        and (type(inputs) is int and 0 <= inputs <= MAX_COUNT)
        and (type(outputs) is int and 0 <= outputs <= MAX_COUNT)
    ):
        return None
    durations = []
    for name in ("request_duration", "time_to_first_token"):
        duration = get(name)
        if duration is not None:
            if not _is_number(duration) or not 0 <= duration <= MAX_MILLISECONDS:
                return None
            duration = round(duration)
        durations.append(duration)
    created_at = get("created_at")
    if created_at is not None and (created_at := _moment_of(created_at)) is None:
        return None
    more = {_STORED[name]: said for name, said in named}
    key = client, content_type, model, provider, success, None, service_type, False
    return key, Said(user, inputs, outputs, durations[0], durations[1], more, request_id, None, created_at)


def of_span(fields: Mapping[str, Any]) -> tuple[Key, Said] | None:
    """The same for the fields that a span made (`app/otlp`), which are in order where they can be at all: no name is
    asked for its form but the user's and the conversation's, which a token or a text may be.
    """
    if not fields.keys() <= _OF_SPANS:
        return None
    get = fields.get
    user, conversation, metadata = fields["user_id"], get("conversation_id"), fields["metadata"]
    reservation = get("reservation_id")
    inputs, outputs, created_at = get("input_tokens"), get("output_tokens"), get("created_at")
    if (
        (inputs is None or outputs is None or created_at is None)
        or (not _PARTS.isdisjoint(fields) and any(get(part) for part in PART_TOKENS))
        or not (is_name(user) and (conversation is None or is_name(conversation)))
        or not (reservation is None or is_name(reservation))
        or not metadata.keys() <= _ABOUT_SPANS
    ):
        return None
    more = {} if conversation is None else {"conversationId": conversation}
    if endpoint := get("endpoint"):
        more["endpoint"] = endpoint
    more["metadata"] = metadata
    if reservation is not None:
        more["reservationId"] = reservation
    created_at = in_milliseconds(created_at)
    key = (
        *(fields["client_id"], fields["content_type"], fields["model"], get("provider")),
        *(None, fields["status"], get("service_type"), get("synthetic", False)),
    )
    durations = get("request_duration"), get("time_to_first_token")
    return key, Said(user, inputs, outputs, *durations, more, fields["request_id"], None, created_at)


def _moment_of(value: object) -> datetime | None:
    """A time in UTC that is not ahead by much, as JSON and Python mostly have it; None for any other."""
    if type(value) is str and _MOMENT.fullmatch(value):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if type(value) is datetime and value.tzinfo is UTC and OLDEST <= value <= datetime.now(UTC) + CLOCK_TOLERANCE / 2:
        return in_milliseconds(value)
    return None


def _is_number(value: object) -> bool:
    return type(value) is int or type(value) is float or (type(value) is Decimal and value.is_finite())


def is_name(value: object) -> bool:
    """Whether it is a name by any rule: `AICall` accepts some more."""
    return type(value) is str and 0 < len(value) <= MAX_NAME and value.isprintable()
