"""Lines of JSON that are read the short way say what they do the long way; what may be wrong is left to the latter."""

import json
from decimal import Decimal

import pytest

from scripts.transfer.json_file import _object, _plainly

PLAIN = [
    '{"a": 1, "b": "x", "c": null, "d": true, "e": 0.10000000000000000000001, "f": -0.0}\n',
    '{"a" :"2026-01-01T00:00:00Z","b": "c: d", "n": 123456789012345678901234567890}',
    '  {"a": 1e400, "b": "}"}  \n',
    '{"": 1, "x:y": "\x7f"}',
]
UNUSUAL = [
    *('{"a": 1, "a": 2}', '{"a": "x", "a": "x", "b": 1}', '{"a" : 1, "a": "::"}', '{"a": "", "a" :"", "b:":":"}'),
    *('{"a": {"b": 1}, "c": 2}', '{"a": [1], "c": 2}', '{"$oid": "5"}', '{"a": "\\u003a", "b": 1}', "{}", "[1, 2]"),
    *('{"a": "Zoë", "b": 1}', '{"a": "\t", "b": 1}', '{"a": 1, "b": 2', '{"a": NaN, "b": 1}', '{"a": 01, "b": 1}'),
    *('{"a": 1e99999999999999999999, "b": 1}', f'{{"a": {"9" * 5_000}, "b": 1}}', '{"a": "\0", "b": 1}', '"a"', ""),
]


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_line_says_the_same_either_way(text: str) -> None:
    long_way = json.loads(text, parse_float=Decimal, object_pairs_hook=_object)

    assert repr(_plainly(text)) == repr(long_way)


@pytest.mark.parametrize("text", UNUSUAL)
def test_an_unusual_line_is_read_the_long_way(text: str) -> None:
    assert _plainly(text) is None
