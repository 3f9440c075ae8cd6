"""What leaves the process says nothing to who has the database."""

import pytest

from app.gateway.cache.seals import Seals
from app.gateway.cache.stored import Stored
from tests.gateway.cache.asked import key, stored

CANARY = b"the-canary-sings-" * 50


@pytest.fixture
def seals() -> Seals:
    return Seals("a secret of the deployment, of some length")


def sealed_by(seals: Seals, question: bytes, answer: Stored) -> tuple[bytes, bytes]:
    id_ = seals.id_of(question, 0)
    return id_, seals.sealed(question, id_, answer)


def test_an_answer_comes_back_as_it_was(seals: Seals) -> None:
    answer = Stored(200, [(b"content-type", b"text/event-stream")], (b"a", b"b"), b"end", {"model": "m"}, 1.5, 61.5)
    id_, sealed = sealed_by(seals, key(), answer)

    assert seals.opened(key(), id_, sealed, 10_000) == answer


def test_nothing_of_question_or_answer_can_be_seen(seals: Seals) -> None:
    question = key(user="canary-user")
    id_, sealed = sealed_by(seals, question, stored(CANARY))

    assert CANARY[:17] not in sealed
    assert question not in id_ + sealed
    assert b"canary" not in id_ + sealed
    assert len(sealed) < len(CANARY)
    assert sealed_by(seals, question, stored(CANARY))[1] != sealed


def test_neither_another_question_nor_another_secret_opens_it(seals: Seals) -> None:
    id_, sealed = sealed_by(seals, key(), stored(CANARY))

    assert seals.opened(key(user="bob"), id_, sealed, 10_000) is None
    assert Seals("another secret").opened(key(), id_, sealed, 10_000) is None
    assert seals.opened(key(), seals.id_of(key(), 1), sealed, 10_000) is None


def test_an_earlier_generation_is_not_found(seals: Seals) -> None:
    assert len({seals.id_of(key(), generation) for generation in range(3)}) == 3


def test_what_is_damaged_or_too_large_is_no_answer(seals: Seals) -> None:
    id_, sealed = sealed_by(seals, key(), stored(CANARY))

    assert seals.opened(key(), id_, sealed, len(CANARY) - 1) is None
    for broken in (b"", sealed[:20], sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1])):
        assert seals.opened(key(), id_, broken, 10_000) is None
