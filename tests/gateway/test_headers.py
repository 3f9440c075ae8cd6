"""Which headers pass, both ways."""

import pytest

from app.gateway.formats.base import GatewayError
from app.gateway.headers import forwarded, returned

PASS_TO_THE_UPSTREAM = [
    (b"content-type", b"application/json"),
    (b"accept", b"text/event-stream"),
    (b"user-agent", b"OpenAI/Python 3.57.0"),
    (b"idempotency-key", b"k-1"),
    (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    (b"openai-beta", b"assistants=v2"),
    (b"anthropic-version", b"2023-06-01"),
    (b"anthropic-beta", b"a-2025-01-01"),
    (b"anthropic-beta", b"b-2025-01-01"),
    (b"x-stainless-retry-count", b"0"),
    (b"x-goog-api-client", b"google-genai-sdk/3.6"),
]
STAY_HERE = [
    (b"authorization", b"Bearer tm_secret"),
    (b"x-api-key", b"tm_secret"),
    (b"x-goog-api-key", b"tm_secret"),
    (b"api-key", b"tm_secret"),
    (b"proxy-authorization", b"Basic eA=="),
    (b"cookie", b"session=1"),
    (b"host", b"gateway.example"),
    (b"content-length", b"12"),
    (b"transfer-encoding", b"chunked"),
    (b"connection", b"keep-alive"),
    (b"te", b"trailers"),
    (b"upgrade", b"h2c"),
    (b"expect", b"100-continue"),
    (b"accept-encoding", b"gzip"),
    (b"x-forwarded-for", b"10.0.0.1"),
    (b"forwarded", b"for=10.0.0.1"),
    (b"openai-organization", b"org-1"),
    (b"openai-project", b"proj-1"),
    (b"x-user-id", b"u-1"),
    (b"x-twinmeter-content-type", b"chat"),
    (b"x-request-id", b"r-1"),
    (b"x-anthropic-version", b"no"),
    (b"content-type-", b"no"),
]


def test_an_upstream_is_sent_what_is_named_and_nothing_else() -> None:
    sent = forwarded([*STAY_HERE, *PASS_TO_THE_UPSTREAM, *STAY_HERE])

    assert sent == [(name.decode(), value.decode()) for name, value in PASS_TO_THE_UPSTREAM]


def test_what_a_client_names_for_its_own_connection_goes_no_further() -> None:
    sent = forwarded([(b"connection", b"close, Anthropic-Beta"), (b"anthropic-beta", b"x"), (b"accept", b"*/*")])

    assert sent == [("accept", "*/*")]


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\nb", b"a\rb", b"a\0b", b"a\x7f", b"caf\xe9", b"\xc3\xa9", b"\x1b"])
def test_a_value_that_could_end_its_line_or_change_on_the_way_is_refused_by_name(value: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        forwarded([(b"anthropic-beta", value)])

    assert (caught.value.status, caught.value.code, caught.value.should_retry) == (400, "invalid_header", False)
    assert caught.value.message == "the header anthropic-beta has characters that are not printable ASCII"


def test_such_a_value_in_a_header_that_stays_here_hurts_nobody() -> None:
    assert forwarded([(b"x-campaign", b"caf\xe9"), (b"accept", b"*/*")]) == [("accept", "*/*")]


def test_two_types_of_one_body_are_refused_and_the_same_twice_is_one() -> None:
    with pytest.raises(GatewayError, match="the header content-type is there twice"):
        forwarded([(b"content-type", b"application/json"), (b"content-type", b"text/plain")])

    assert forwarded([(b"content-type", b"a/b"), (b"content-type", b"a/b")]) == [("content-type", "a/b")]


def test_a_client_is_sent_the_content_its_ids_and_its_rates_and_nothing_else() -> None:
    kept = [
        (b"content-type", b"application/json"),
        (b"content-encoding", b"br"),
        (b"x-request-id", b"req_1"),
        (b"request-id", b"req_2"),
        (b"retry-after", b"3"),
        (b"retry-after-ms", b"2500"),
        (b"x-should-retry", b"false"),
        (b"x-ratelimit-remaining-tokens", b"12"),
        (b"anthropic-ratelimit-requests-limit", b"50"),
        (b"ratelimit", b'"default";r=1'),
    ]
    dropped = [
        (b"content-length", b"12"),
        (b"transfer-encoding", b"chunked"),
        (b"connection", b"close"),
        (b"keep-alive", b"timeout=5"),
        (b"set-cookie", b"__cf_bm=1"),
        (b"server", b"cloudflare"),
        (b"location", b"https://internal.example"),
        (b"openai-organization", b"acme"),
        (b"anthropic-organization-id", b"1"),
        (b"access-control-allow-origin", b"*"),
        (b"alt-svc", b"h3"),
        (b"x-twinmeter-cost", b"0"),
        (b"x-request-id", b"a second one"),
        (b"x-ratelimit-reset-tokens", b"1s\r\nset-cookie: a=b"),
    ]

    assert returned([*kept, *dropped]) == kept
