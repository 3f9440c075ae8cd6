"""Which spans tell of one and the same answer of a model, by the id that its provider gave it."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from app.otlp.attributes import RESPONSE_ID, first, text
from app.otlp.spans import SpanNode

MIN_RANDOM = 16
MAX_ID = 200
"""With its prefix it is a name."""

# "chatcmpl-", "msg_", "lc_run--": what an id begins with, before what makes it one
_PREFIX = re.compile(r"(?:[a-z]+[-_]+)*", re.ASCII)
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


class Answer(NamedTuple):
    """An answer that has an id, as one span tells of it."""

    response_id: str
    is_unique: bool
    """Whether the id alone proves it: it has letters and digits enough that no two answers share it.

    Not all have: Ollama numbers its answers from 0 to 998, and some gateways by the second.
    """
    trace_id: bytes
    start_ns: int
    end_ns: int

    @property
    def key(self) -> tuple[str, bytes]:
        """Equal for spans that may tell of one answer."""
        return self.response_id, b"" if self.is_unique else self.trace_id

    def is_that_of(self, other: "Answer") -> bool:
        """Of answers with one key. Where the id proves nothing they must have been made at the same time as well."""
        return self.is_unique or (self.start_ns < other.end_ns and other.start_ns < self.end_ns)


def answer_of(node: SpanNode) -> Answer | None:
    """None where the span has no id that could be told again."""
    response_id = text(first(node.attributes, RESPONSE_ID))
    if response_id is None or len(response_id) > MAX_ID or not _PRINTABLE.fullmatch(response_id):
        return None
    return Answer(response_id, _is_unique(response_id), node.trace_id, node.start_ns, node.end_ns)


def _is_unique(response_id: str) -> bool:
    own = _PREFIX.sub("", response_id, count=1).replace("-", "").replace("_", "")
    return len(own) >= MIN_RANDOM and not own.isdigit() and not own.isalpha()


def alike(answers: Mapping[SpanNode, Answer]) -> Iterator[list[SpanNode]]:
    """The spans that tell of one answer, where there are several. Each is in one group at most."""
    by_key: dict[tuple[str, bytes], list[tuple[Answer, SpanNode]]] = {}
    for node, answer in answers.items():
        by_key.setdefault(answer.key, []).append((answer, node))
    for told in by_key.values():
        if len(told) > 1:
            yield from (group for group in _together(told) if len(group) > 1)


def _together(told: list[tuple[Answer, SpanNode]]) -> list[list[SpanNode]]:
    groups: list[list[SpanNode]] = []
    last: Answer | None = None
    for answer, node in sorted(told, key=lambda each: each[0].start_ns):
        if last is not None and answer.is_that_of(last):
            groups[-1].append(node)
            last = max(last, answer, key=lambda each: each.end_ns)
        else:
            groups.append([node])
            last = answer
    return groups
