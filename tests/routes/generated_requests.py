"""Reports of one call as they come from the server, ordinary and odd, for comparisons of two ways to answer them."""

import gzip
import json
import random
from typing import Any, NamedTuple

Headers = list[tuple[bytes, bytes]]
CALL = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 100, "outputTokens": 50}
JSON = b"application/json"
USAGE = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
RESPONSES: list[dict[str, Any]] = [{}, {"response": {"model": "gpt-4o"}}, {"response": [{"model": "gpt-4o"}, {}]}]
OWN_ID = b"id-7"
CLIENT = "@@@@@@"
"""Stands for the client whose credentials are used."""


class Sent(NamedTuple):
    """A request as it comes from the server; `{...}` in a credential is one of the sender's."""

    headers: Headers
    body: bytes
    pieces: int = 1
    method: str = "POST"
    path: str = "/api/ai/track"
    leaves: bool = False
    """Instead of sending its body."""
    stalls: bool = False
    """Likewise, and stays."""


def generated(number: int) -> Sent:
    """Half of them ordinary, the others with one or two things odd."""
    draw = random.Random(number)
    call: dict[str, Any] = {**CALL, "inputTokens": draw.randrange(1_000)}
    more = {"requestId": f"r{draw.randrange(20)}", "conversationId": "c 1", "cached": True}
    call |= {name: value for name, value in more.items() if draw.random() < 0.3}
    headers: dict[bytes, list[bytes]] = {
        b"host": [b"shop.example"],
        b"authorization": [draw.choice([b"Bearer {key}"] * 4 + [b"Bearer {service}", b"Bearer {user}"])],
        b"content-type": [JSON],
    }
    if draw.random() < 0.3:
        headers[b"prefer"] = [b"wait=5"]
    if draw.random() < 0.3:
        headers[b"x-request-id"] = [OWN_ID]
    if b"{user}" in headers[b"authorization"][0] and draw.random() < 0.8:
        del call["userId"]
    sent = Sent([], json.dumps(call).encode())
    for _ in range(draw.choice([0, 0, 0, 1, 1, 2])):
        sent = draw.choice(ODD)(draw, sent, call, headers) or sent
    length = [] if b"content-length" in headers or sent.path.startswith("?") else [(b"content-length", b"%d")]
    pairs = [(name, value) for name, values in headers.items() for value in values]
    pairs += [(name, value % len(sent.body)) for name, value in length]
    draw.shuffle(pairs)
    return sent._replace(headers=pairs)


def credential(draw: random.Random, sent: Sent, call: Any, headers: Any) -> Sent:
    headers[b"authorization"] = draw.choice(
        [
            *([], [b"Bearer {read}"], [b"Bearer {revoked}"], [b"Bearer {wrong}"], [b"Bearer "], [b"Bearer"]),
            *([b"bearer {key}"], [b"Bearer  {key} "], [b"Basic eDp5"], [b"Bearer x.y.z"], [b"Bearer {admin}"]),
            *([b"Bearer {key}", b"Bearer {read}"], [b"Bearer {expired}"], [b"Bearer \xff"]),
        ]
    )
    return sent._replace(body=json.dumps({**call, "clientId": CLIENT}).encode())


def media_type(draw: random.Random, _sent: Sent, _call: Any, headers: Any) -> None:
    kinds = [b"text/plain", b"Application/JSON", b"application/json; charset=utf-8", b"application/vnd.x+json", b""]
    headers[b"content-type"] = draw.choice([[], [JSON, JSON], *([kind] for kind in kinds)])


def encoding(draw: random.Random, sent: Sent, _call: Any, headers: Any) -> Sent:
    how = draw.choice([b"gzip", b"identity", b"br", b"gzip, gzip"])
    headers[b"content-encoding"] = [how]
    return sent._replace(body=gzip.compress(sent.body) if how == b"gzip" and draw.random() < 0.8 else sent.body)


def names(draw: random.Random, _sent: Sent, _call: Any, headers: Any) -> None:
    users = [b"u1", b"u2", b"", b"u" * 257, b"\xc3\xa9", b"a\x7fb"]
    headers[b"x-user-id"] = draw.choice([[b"u1", b"u2"], *([user] for user in users)])


def key(draw: random.Random, _sent: Sent, _call: Any, headers: Any) -> None:
    keys = [b"r1", b'"r1"', b'""', b"", b"k" * 257, b"k" * 256, b"\xe9"]
    headers[b"idempotency-key"] = draw.choice([[b"r1", b"r2"], *([each] for each in keys)])


def preference(draw: random.Random, _sent: Sent, _call: Any, headers: Any) -> None:
    waits = [b"wait=0", b"respond-async, wait=3", b"wait=99999", b"wait", b"wait=x"]
    headers[b"prefer"] = draw.choice([[b"wait=1", b"wait=2"], *([each] for each in waits)])


def length(draw: random.Random, sent: Sent, _call: Any, headers: Any) -> None:
    own = b"%d" % len(sent.body)
    headers[b"content-length"] = draw.choice([[], [b"0" + own], [own, own], [b"2000000"], [b"99999"]])


def content(draw: random.Random, sent: Sent, call: Any, _headers: Any) -> Sent:
    bodies: list[Any] = [
        *([], [call], None, 5, "x", {}, {**call, "colour": "red"}, {**call, "inputTokens": -1}),
        *(
            {**call, "inputTokens": "7"},
            {**call, "clientId": "another"},
            {**call, "clientId": CLIENT},
            {**call, "client_id": "x"},
        ),
        *({**call, "inputText": "x" * 70_000}, {**call, "model": ""}, {**call, "metadata": {"a": {"b": 1}}}),
        *({**call, "createdAt": "2999-01-01T00:00:00Z"}, {**call, "metadata": {"a": 1.5}}, {**call, "cost": 0.1}),
        {f"k{number}": 1 for number in range(200)},
    ]
    raw = [b"", b"{", b"\xff", sent.body + b"}", b"[" * 60_000, b'{"cost":1e999999999}', b" " * 64_001 + sent.body]
    return sent._replace(body=draw.choice([*(json.dumps(body).encode() for body in bodies), *raw]))


def usage(draw: random.Random, sent: Sent, call: Any, _headers: Any) -> Sent:
    odd: tuple[Any, ...] = (None, 5, [], {"flux_tokens": 1}, {"a": "x" * 16_000}, [USAGE, USAGE])
    bare = {"userId": "u1", "contentType": "chat", "usage": USAGE}
    bodies = [*({**call, "usage": each} for each in odd), *({**bare, **more} for more in RESPONSES)]
    return sent._replace(body=json.dumps(draw.choice(bodies)).encode())


def arrival(draw: random.Random, sent: Sent, _call: Any, _headers: Any) -> Sent:
    return sent._replace(pieces=draw.choice([2, 3]), leaves=draw.random() < 0.2)


def address(draw: random.Random, sent: Sent, _call: Any, _headers: Any) -> Sent:
    paths = ["/api/ai/track/", "/api/ai/track?x=1", "//api/ai/track", "/api/ai/tracks", "/t/api/ai/track"]
    return sent._replace(path=draw.choice(paths))


def method(draw: random.Random, sent: Sent, _call: Any, _headers: Any) -> Sent:
    return sent._replace(method=draw.choice(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]))


def surroundings(draw: random.Random, _sent: Sent, _call: Any, headers: Any) -> None:
    name, value = draw.choice(
        [
            *((b"origin", b"https://shop.example"), (b"origin", b"https://other.example"), (b"host", b"a b")),
            *((b"x-forwarded-prefix", b"/t"), (b"x-forwarded-host", b"x.example"), (b"host", b"x/y")),
            *((b"x-request-id", b"no id \xff"), (b"transfer-encoding", b"chunked"), (b"expect", b"100-continue")),
            *((b"accept", b"text/html"), (b"cookie", b"twinmeter_session=x"), (b"connection", b"close")),
        ]
    )
    headers[name] = [value]


ODD: list[Any] = [
    *(credential, credential, media_type, encoding, names, key, preference, length, content, content, content),
    *(arrival, address, method, surroundings, usage),
]
