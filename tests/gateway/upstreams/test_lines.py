"""The line of a table or field is that with which it begins, however it is written."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.gateway.upstreams.lines import Place, line_of

TEXT = """# a comment
[upstreams.openai]  # another

models = [
  "gpt-4o",
  # "[models.x]"
  "gpt-4",
]
upstreams.inner = 3
key_env = '''
key_env = "X"
'''
[upstreams."a.b"]
headers = { X = "1", "Y Z" = "2" }
[models]
x.to = "y"
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("upstreams",), 2),
        (("upstreams", "openai"), 2),
        (("upstreams", "openai", "models"), 4),
        (("upstreams", "openai", "models", 1), 4),
        (("upstreams", "openai", "upstreams", "inner"), 9),
        (("upstreams", "openai", "key_env"), 10),
        (("upstreams", "openai", "base_url"), 2),
        (("upstreams", "a.b"), 13),
        (("upstreams", "a.b", "headers", "Y Z"), 14),
        (("models", "x", "to"), 16),
        (("models", "x", "fallbacks"), 16),
        (("unknown_models",), None),
        ((), None),
    ],
)
def test_a_place_is_where_its_statement_begins(place: Place, line: int | None) -> None:
    assert line_of(TEXT, place) == line


PADDING = st.lists(st.sampled_from(["", "# [x]", "#"]), max_size=3)
VALUE = st.sampled_from(["1", "[\n1,\n\n2]", '"""\n[t.x]\n"""', "{ a = 1 }", "'='"])


@settings(max_examples=30)
@given(st.lists(st.tuples(PADDING, st.booleans(), VALUE), min_size=1, max_size=12))
def test_every_statement_is_found(statements: list[tuple[list[str], bool, str]]) -> None:
    lines: list[str] = []
    places: list[tuple[Place, int]] = []
    table: tuple[str, ...] = ()
    for number, (padding, opens, value) in enumerate(statements):
        lines += padding
        if opens:
            table = ("t", f"n{number}")
            places.append((table, len(lines) + 1))
            lines.append(f"[t.n{number}]")
        places.append(((*table, f"f{number}"), len(lines) + 1))
        lines += f"f{number} = {value}".split("\n")
    text = "\n".join(lines)
    tomllib.loads(text)

    assert [(place, line_of(text, place)) for place, _ in places] == places


def test_a_large_file_is_looked_through_in_a_moment() -> None:
    text = "\n".join(f"[models.m{number}]\nto = 'a/b'" for number in range(2_000))
    calls = 0
    loads = tomllib.loads

    def counted(each: str) -> dict[str, object]:
        nonlocal calls
        calls += 1
        return loads(each)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tomllib, "loads", counted)
        assert line_of(text, ("models", "m1500", "to")) == 3_002

    assert calls < 20
