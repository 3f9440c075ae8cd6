"""Which requests are the same question: no two tenants, keys, users, models or bodies ever meet."""

import json
from itertools import combinations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.gateway.formats.base import Operation
from app.gateway.upstreams.upstream import Target
from tests.gateway.cache.asked import CHAT, key, upstream, wanted

# names that might run into each other, were they but put together
NAMES = st.text(alphabet='ab|:=\x00\x01"', min_size=1, max_size=4)
MEMBERS = st.dictionaries(
    st.sampled_from(["messages", "message", "s", "user", "seed", "member", "temperature"]),
    st.sampled_from(["", "a", "ab", "member", 0, 1, 1.0, True, None, [], ["a"], {}, {"a": "b"}]),
    max_size=4,
)


class Asker:
    """One request, as a value that equals another where both ask the same."""

    def __init__(self, *parts: Any) -> None:
        self.client, self.key, self.user, self.upstream, self.model, self.members, self.passed = parts

    @property
    def body(self) -> bytes:
        return json.dumps({"model": "m", **self.members}).encode()

    @property
    def cache_key(self) -> bytes:
        target = Target(upstream(self.upstream), self.model)
        return key(self.client, self.key, self.user, self.body, target, tuple(self.passed))

    @property
    def value(self) -> tuple[Any, ...]:
        members = {name: json.dumps(value) for name, value in self.members.items()}
        told = sorted(members.items()), sorted(self.passed)
        return (self.client, self.key, self.user, self.upstream, self.model, *map(tuple, told))


ASKERS = st.builds(
    Asker,
    NAMES,
    st.none() | NAMES,
    NAMES,
    NAMES,
    NAMES,
    MEMBERS,
    st.lists(st.tuples(st.sampled_from(["accept", "member", "query"]), NAMES), max_size=2, unique=True),
)


@given(st.lists(ASKERS, min_size=2, max_size=6))
def test_only_the_same_request_of_the_same_caller_has_the_same_key(askers: list[Asker]) -> None:
    for one, other in combinations(askers, 2):
        assert (one.cache_key == other.cache_key) is (one.value == other.value)


@given(st.text(max_size=6), st.text(max_size=6), st.integers(0, 6))
def test_nothing_is_shifted_from_one_part_into_the_next(left: str, right: str, at: int) -> None:
    whole = left + right
    first, second = whole[:at] or "x", whole[at:] or "x"

    assert (key(first, second, "u") == key(left or "x", right or "x", "u")) is (
        (first, second) == (left or "x", right or "x")
    )


def test_nobody_is_not_somebody_without_a_name() -> None:
    assert key(key_id=None) != key(key_id="")


def test_the_order_of_members_and_how_an_answer_is_sent_do_not_matter() -> None:
    around = json.dumps({**dict(reversed(CHAT.items())), "model": "an alias"}).encode()

    assert key(body=CHAT) == key(body=around)


def test_a_value_is_compared_byte_for_byte() -> None:
    # who reads the last of two members would answer both alike, who reads the first would not
    twice = b'{"model": "m", "messages": [{"content": "a", "content": "b"}]}'
    once = b'{"model": "m", "messages": [{"content": "b"}]}'
    exact = b'{"model": "m", "seed": 12345678901234567890123, "messages": []}'
    rounded = b'{"model": "m", "seed": 12345678901234567890124, "messages": []}'

    assert len({key(body=each) for each in (twice, once, exact, rounded)}) == 4


def test_streams_and_their_usage_are_told_apart_and_other_options_too() -> None:
    bodies = [
        CHAT,
        {**CHAT, "stream": True},
        {**CHAT, "stream": True, "stream_options": {"include_usage": True}},
        {**CHAT, "stream": True, "stream_options": {"include_obfuscation": False}},
    ]

    assert len({key(body=each) for each in bodies}) == 4
    silent = {**CHAT, "stream": True, "stream_options": {"include_usage": False}}
    assert key(body=silent) == key(body={**CHAT, "stream": True})


def test_an_operation_is_part_of_a_question() -> None:
    body = json.dumps({"model": "m", "input": "a", "messages": []}).encode()
    operations = [Operation.CHAT, Operation.RESPONSES, Operation.EMBEDDINGS]

    assert {wanted(body, each).operation for each in operations} == set(operations)


def test_a_target_is_its_server_too() -> None:
    targets = [
        Target(upstream(), "gpt-4o"),
        Target(upstream(), "gpt-4o-mini"),
        Target(upstream("openai-eu"), "gpt-4o"),
        Target(upstream(base_url="https://eu.api.openai.com/v1"), "gpt-4o"),
        Target(upstream(provider="azure"), "gpt-4o"),
    ]

    assert len({key(target=each) for each in targets}) == 5
