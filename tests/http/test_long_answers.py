"""Long answers are encoded in pieces, between which others have their turn."""

from app.http.serialization import encode, encoded_parts, is_long
from app.reports.rows import Row


class Leaf(Row):
    numbers: list[int]


class Answer(Row):
    rows: list[Leaf]


def test_a_short_list_of_long_ones_is_long() -> None:
    answer = Answer(rows=[Leaf(numbers=list(range(50))) for _ in range(3)])

    parts = list(encoded_parts(answer))

    assert is_long(answer)
    assert b"".join(parts) == encode(answer)
    assert max(map(len, parts)) < 20


def test_a_short_answer_is_one_piece() -> None:
    answer = Answer(rows=[Leaf(numbers=[1, 2])] * 3)

    assert not is_long(answer)
    assert list(encoded_parts(answer)) == [encode(answer)]
