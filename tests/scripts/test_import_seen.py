"""Ids that an import meets again: in a page, in a later one, and more than a statement takes."""

import pytest
from bson import ObjectId

from scripts.transfer import seen
from scripts.transfer.seen import Met, SeenIds

A, B, C = (ObjectId(bytes([number]) * 12) for number in range(3))


@pytest.fixture(autouse=True)
def _few_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "PARAMETERS", 2)


def test_the_first_place_of_an_id_stands_and_says_whether_it_said_the_same() -> None:
    with SeenIds() as ids:
        assert ids.meet([(A, b"x", "line 1"), (A, b"x", "line 2"), (B, b"y", "line 3"), (A, b"z", "line 4")]) == [
            *(None, Met("line 1", same=True), None, Met("line 1", same=False))
        ]
        assert ids.meet([(C, b"x", "line 5"), (B, b"y", "line 6"), (A, b"z", "line 7"), (C, b"x", "line 8")]) == [
            *(None, Met("line 3", same=True), Met("line 1", same=False), Met("line 5", same=True))
        ]


def test_nothing_is_met_where_nothing_is_there() -> None:
    with SeenIds() as ids:
        assert ids.meet([]) == []
