"""One model response reported by two instrumentations: a framework's span around the client's own."""

from collections.abc import Iterable
from typing import NamedTuple

from app.otlp.attributes import REQUEST_MODEL, RESPONSE_ID, RESPONSE_MODEL, Attributes, first, text
from app.otlp.parameters import parameter
from app.otlp.spans import SpanNode

_ANY = "*"

Mark = tuple[str, str | None]
"""("id", response id), or ("model" or "model without id", model), where None means no model, `*` any or none."""


class _Answer(NamedTuple):
    response_id: str | None
    models: frozenset[str]

    def marks(self) -> set[Mark]:
        """What the spans around this one look for."""
        models = [*(self.models or [None]), _ANY]
        marks: set[Mark] = {("model", model) for model in models}
        return marks | ({("id", self.response_id)} if self.response_id else {("model without id", m) for m in models})

    def looks_for(self) -> Iterable[Mark]:
        """Any of these within this span is the same response: its id or, where one of them has none, its model."""
        if self.response_id:
            yield ("id", self.response_id)
        kind = "model without id" if self.response_id else "model"
        yield from ((kind, model) for model in [*self.models, None])
        if not self.models:
            yield (kind, _ANY)


def repeated(innermost_first: list[SpanNode], calls: set[SpanNode], candidates: set[SpanNode]) -> set[SpanNode]:
    """Those of `candidates` that enclose one of `calls` for the same response. The innermost counts.

    The marks of all enclosed calls travel outwards. Of several enclosed spans the largest set is added to, so that each
    mark moves a few times at most, however deep and wide the tree.
    """
    within: dict[SpanNode, set[Mark]] = {}
    found: set[SpanNode] = set()
    for node in innermost_first:
        marks = within.pop(node, set())
        alone = not marks and node.parent is None
        answer = _answer_of(node.attributes) if node in candidates and not alone else None
        if answer and not marks.isdisjoint(answer.looks_for()):
            found.add(node)
        if answer and node in calls:
            marks |= answer.marks()
        if node.parent and marks:
            within[node.parent] = _merged(within.get(node.parent), marks)
    return found


def _merged(one: set[Mark] | None, other: set[Mark]) -> set[Mark]:
    if one is None:
        return other
    small, large = sorted((one, other), key=len)
    large |= small
    return large


def _answer_of(attributes: Attributes) -> _Answer:
    """Only the model's own name counts: gateways put the vendor before it."""
    said = [first(attributes, RESPONSE_MODEL), first(attributes, REQUEST_MODEL)]
    models = [text(found) for found in said] if any(said) else [text(parameter(attributes, "model"))]
    response_id = text(first(attributes, RESPONSE_ID))
    return _Answer(response_id, frozenset(model.lower().rpartition("/")[2] for model in models if model))
