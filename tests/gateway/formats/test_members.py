"""The members of a request's body: found where they stand, and changed without touching any other byte."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.formats.base import GatewayError
from app.gateway.formats.members import Members

BAD = {
    b"": "has no body",
    b"  \n": "has no body",
    b"[]": "must be a JSON object",
    b"null": "must be a JSON object",
    b'"text"': "must be a JSON object",
    b"{": "no valid JSON",
    b"{'model':1}": "no valid JSON",
    b'{"a":1}x': "no valid JSON",
    b"\xef\xbb\xbf{}": "no valid JSON",
    b"\x00": "no valid JSON",
    b'{"a":"\x00"}': "no valid JSON",
    b'{"\xff":1}': "no valid JSON",
    b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}": "nested too deeply",
    b'{"model":"a","model":"b"}': "twice",
    b'{"model":"b","x":1,"mod\\u0065l":"b"}': "twice",
    b'{"model":"a","x":[{"q":1,             "x":1}],"model":"bbbbbbbbbbbbbbbb"}': "twice",
}
BAD[b"{" + b",".join(b'"%d":1' % number for number in range(1_001)) + b"}"] = "more than 1000 members"
BAD[b'{"messages":[' + b"{}," * 400_000 + b"{}]}"] = "too many values"
BAD[b"{" + b'"a":1,' * 600_000 + b'"b":1}'] = "too many values"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.text(max_size=6), VALUES, max_size=6)


@pytest.mark.parametrize(("body", "reason"), BAD.items(), ids=[repr(body)[:40] for body in BAD])
def test_a_body_that_is_no_plain_object_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(GatewayError, match=reason) as refused:
        Members(body)
    assert (refused.value.status, refused.value.code) == (400, "invalid_json")


@given(OBJECTS, st.sampled_from([None, 1]), st.booleans(), st.text(max_size=6), VALUES)
def test_one_member_is_changed_and_all_others_stay(
    told: dict[str, object], indent: int | None, ascii_only: bool, name: str, value: object
) -> None:
    body = json.dumps(told, indent=indent, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    changed = Members(body).replaced({name: json.dumps(value).encode()})
    assert json.loads(changed) == {**told, name: value}


def test_no_byte_but_the_named_ones_is_touched() -> None:
    body = b' { "messages" : [ 1.0e5 , "\\u00e9" ] , "model":  "a" , "x" : {"model":"a"} } \n'
    changed = Members(body).replaced({"model": b'"longer"', "stream_options": b"{}"})
    assert changed == (
        b' {"stream_options":{}, "messages" : [ 1.0e5 , "\\u00e9" ] , "model":  "longer" , "x" : {"model":"a"} } \n'
    )
