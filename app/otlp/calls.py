"""From an export to the AI calls in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from app.otlp.answers import Answer, alike, answer_of
from app.otlp.attributes import Context, UnusableSpanError
from app.otlp.bills import bill_of
from app.otlp.context import context_fields, contexts_of
from app.otlp.nesting import repeated
from app.otlp.operations import Operation
from app.otlp.outcomes import clock_fault, latest_start_of, times_of
from app.otlp.shapes import Shape, shape_of
from app.otlp.spans import SpanNode, innermost_first, nodes_of
from app.otlp.tokens import usage_of
from app.otlp.usage_attributes import Said
from models import CallStatus, ServiceType
from models.token_usage import PART_TOKENS

ANONYMOUS = "anonymous"
"""The user of a call without one."""

_TEXTS = frozenset({None, ServiceType.EMBEDDING})
"""What cannot be had without a token."""
_CLAUDE = ("anthropic", "claude", "bedrock")
_EXCLUSIVE_SCOPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("opentelemetry.instrumentation.bedrock", ("",)),
    ("openlit", _CLAUDE),
)
"""Instrumentations that pass on input without the cache, as read in their sources (openllmetry 0.62, OpenLIT 1.45), and
of which sellers or models."""
_NO_TOKENS = "input and output are both 0, in a call that succeeded"


class SpanCall(NamedTuple):
    """An AI call."""

    span: str
    """Trace id and span id, in hexadecimal, with a dash between."""
    fields: dict[str, Any]
    """Fields of `AICall`, by name, except the client: the caller supplies and validates that."""
    answer: Answer | None = None
    """Which answer of a model it is, where that has an id."""
    left_out: tuple[str, ...] = ()
    """What of the span was not recorded, and why. The messages quote no value of the span."""


class SpanFault(NamedTuple):
    """An AI call that cannot be recorded, and why. The message quotes no value of the span."""

    span: str
    message: str


@dataclass
class Export:
    """The AI calls of an export, in its order."""

    calls: list[SpanCall] = field(default_factory=list)
    faults: list[SpanFault] = field(default_factory=list)


def calls_of(outline: Any, arrived: datetime | None = None) -> Export:
    """The AI calls of an export, given as an `Outline`, which `arrived` now or then. Spans that are none are passed
    over, as are all but one of the spans for one answer.

    Takes time proportional to the number of spans, however they are nested.
    """
    latest_start = latest_start_of(arrived or datetime.now(UTC))
    nodes = nodes_of(outline)
    ordered = innermost_first(nodes)
    shapes = {node: shape_of(node.kind) for node in nodes}
    contexts = contexts_of(ordered, shapes)
    read = {node: _read(node, shape, contexts[node], latest_start) for node, shape in shapes.items() if shape.operation}
    calls = {node: result for node, result in read.items() if isinstance(result, SpanCall)}
    passed_over = _known_less(ordered, calls)
    passed_over |= repeated(ordered, calls.keys() - passed_over, read.keys() - passed_over)
    return _export([result for node, result in read.items() if node not in passed_over])


def _known_less(innermost_first: list[SpanNode], calls: Mapping[SpanNode, SpanCall]) -> set[SpanNode]:
    """Of the spans for one answer, beside or around each other, all but the one that knows most; else the innermost."""
    answers = {node: call.answer for node, call in calls.items() if call.answer is not None}
    if not (groups := list(alike(answers))):
        return set()
    places = {node: place for place, node in enumerate(innermost_first)}
    less: set[SpanNode] = set()
    for group in groups:
        less |= set(group) - {max(group, key=lambda node: (_knowledge(calls[node].fields), -places[node]))}
    return less


def _knowledge(fields: Mapping[str, Any]) -> tuple[int, int]:
    """How much a span knows of what is billed. One that names parts knows most; one that says something that nothing
    here understands knows of something, which a price by the others' totals would leave out.
    """
    facts = sum(1 for name in fields if name in _BILLED)
    if "unreadable_reason" in fields and "cost" not in fields:
        return 1, facts
    return (2 if any(name in fields for name in _PARTS) else 0), facts


_PARTS = frozenset({*PART_TOKENS, "cost"})
_BILLED = _PARTS | {"input_tokens", "output_tokens", "service_tier", "region"}


def _export(results: list[SpanCall | SpanFault]) -> Export:
    export = Export()
    for result in results:
        if isinstance(result, SpanCall):
            export.calls.append(result)
        else:
            export.faults.append(result)
    return export


def _read(node: SpanNode, shape: Shape, context: Context, latest_start: int) -> SpanCall | SpanFault:
    try:
        return _call(node, shape, context, latest_start)
    except UnusableSpanError as error:
        return SpanFault(node.name, str(error))


def _call(node: SpanNode, shape: Shape, context: Context, latest_start: int) -> SpanCall:
    if not node.has_valid_ids:
        raise UnusableSpanError("the trace id must have 16 bytes and the span id 8, not all of them zero")
    answer = answer_of(node)
    own, left_out = context_fields(context, node.origin)
    if shape.fault is not None:
        raise UnusableSpanError(shape.fault)
    trace_id, span_id = node.trace_id.hex(), node.span_id.hex()
    span = f"{trace_id}-{span_id}"
    fields: dict[str, Any] = {
        "status": CallStatus.ERROR if node.failed else CallStatus.SUCCESS,
        **shape.fields,
        "request_id": _request_id(span, answer),
        "user_id": ANONYMOUS,
        "metadata": {"traceId": trace_id, "spanId": span_id, **node.origin.metadata},
        **own,
        **times_of(node),
    }
    if wrong := clock_fault(node.start_ns, latest_start):
        del fields["created_at"]  # which stands for the call's arrival
        left_out.append(f"{wrong}: recorded as of its arrival")
    if node.said and shape.operation:
        habits = _habits(fields.get("provider"), fields["model"], node.origin.scope)
        succeeded = fields["status"] is CallStatus.SUCCESS
        fields |= _billed([*node.said.values()], shape.operation, habits, succeeded=succeeded)
    if left_out:
        fields["metadata"] |= {"leftOut": "; ".join(left_out)}
    return SpanCall(span, fields, answer, tuple(left_out))


def _request_id(span: str, answer: Answer | None) -> str:
    """By the answer's own id, where that is one: then two instrumentations that report it, or a span that is sent again
    years later, count once, whatever process takes them.
    """
    return f"otlp-response:{answer.response_id}" if answer and answer.is_unique else f"otlp:{span}"


class _Habits(NamedTuple):
    """How an instrumentation counts the tokens of a model: see `tokens.usage_of`."""

    by_claude: bool
    exclusive: bool


@lru_cache(1_000)
def _habits(provider: str | None, model: str, scope: str) -> _Habits:
    seller = f"{provider} {model}".lower()
    exclusive = any(scope.startswith(name) and any(map(seller.__contains__, of)) for name, of in _EXCLUSIVE_SCOPES)
    return _Habits(any(name in seller for name in _CLAUDE), exclusive)


def _billed(said: list[Said], operation: Operation, habits: _Habits, *, succeeded: bool) -> dict[str, Any]:
    """What the call used and cost."""
    embeds = operation.service_type is ServiceType.EMBEDDING
    usage = usage_of(said, by_claude=habits.by_claude, exclusive=habits.exclusive, embeds=embeds)
    if succeeded and _is_nothing(usage) and operation.service_type in _TEXTS:
        usage = {"unreadable_usage": True, "unreadable_reason": _NO_TOKENS}
    bill = bill_of(said)
    return bill if "unreadable_reason" in bill else usage | bill


def _is_nothing(usage: Mapping[str, Any]) -> bool:
    return "input_tokens" in usage and "output_tokens" in usage and not any(usage.values())
