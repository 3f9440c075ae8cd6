"""What the spans of one kind have in common: the operation, the model and its provider, and how such a call failed.

Most spans are of the kind of others: it is worked out once.
"""

from functools import lru_cache
from typing import Any, NamedTuple

from app.otlp.attributes import MODEL, REGION, Attributes, Found, Kind, UnusableSpanError, first, name, short_text
from app.otlp.operations import Operation, operation_of, provider_of
from app.otlp.outcomes import failure_of
from app.otlp.parameters import parameter

REMEMBERED = 2_000
MAX_SHARED = 32
"""Attributes of a kind that is remembered."""


class Shape(NamedTuple):
    """What a kind of spans is."""

    operation: Operation | None
    """None where they are no AI calls."""
    fault: str | None = None
    """Why they cannot be recorded."""
    fields: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it
    """Fields of `AICall`, by name."""
    user: Found | None = None
    """Who is named in the parameters of the request."""

    @property
    def provider(self) -> str | None:
        return self.fields.get("provider")


def shape_of(kind: Kind) -> Shape:
    """That of spans which say all this."""
    if len(kind) <= MAX_SHARED and all(each.is_small for each in kind):
        return _remembered(kind)
    return _shape(kind)


def _shape(kind: Kind) -> Shape:
    attributes = {each.attribute: each.value for each in kind}
    user = parameter(attributes, "user")
    if (operation := operation_of(attributes)) is None:
        return Shape(None, user=user)
    try:
        fields = {
            "content_type": operation.content_type,
            "service_type": operation.service_type,
            "model": _model_of(attributes),
            "provider": provider_of(attributes),
            "region": short_text(first(attributes, REGION)),
            **failure_of(attributes),
        }
    except UnusableSpanError as error:
        return Shape(operation, str(error), user=user)
    return Shape(operation, None, {field: value for field, value in fields.items() if value is not None}, user)


_remembered = lru_cache(REMEMBERED)(_shape)


def _model_of(attributes: Attributes) -> str:
    model = name(first(attributes, MODEL) or parameter(attributes, "model"))
    if model is None:
        raise UnusableSpanError("no attribute of the span names a model")
    return model
