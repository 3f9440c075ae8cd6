"""Error messages lose their secrets and keep their meaning, also where somebody means to hide one or to stall us."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.database import Database
from app.ledger.redaction import MAX_CHARACTERS, redacted
from app.tracking import Tracker
from tests.twins import entries

BODY = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY"
JSON_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"

SECRETS = [
    f"sk-{BODY}",
    f"sk-proj-{BODY}_{BODY}-{BODY}",
    f"sk-ant-api03-{BODY}-{BODY}AA",
    f"sk-or-v1-{BODY}",
    f"sk_live_{BODY}",
    f"rk_test_{BODY}",
    f"AIzaSy{BODY}A",
    f"gsk_{BODY}{BODY}",
    f"hf_{BODY}",
    f"ghp_{BODY}",
    f"github_pat_11ABCDEFG0{BODY}_{BODY}",
    f"xoxb-123456789012-1234567890123-{BODY}",
    "AKIAIOSFODNN7EXAMPLE",
    f"tm_{BODY}",
    f"xai-{BODY}",
    f"pplx-{BODY}",
    f"r8_{BODY}",
    JSON_TOKEN,
    "joe.doe+test@mail.example.com",
    "sk-abc***xyz",
    "sk-proj-****************************abcd",
    "AIza****wxyz",
    "gsk_ab***yz",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "message",
    ["{}", "Incorrect API key provided: {}.", "Error: ({}), try again", '{{"message": "no such key {}"}}', "x={};y"],
)
def test_a_secret_is_replaced_wherever_it_stands(secret: str, message: str) -> None:
    found = redacted(message.format(secret))

    assert "[redacted]" in found
    assert not [part for part in secret.replace("*", " ").split() if len(part) > 4 and part in found]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "Incorrect API key provided: sk-abc***xyz. You can find your API key at https://platform.openai.com.",
            "Incorrect API key provided: [redacted]. You can find your API key at https://platform.openai.com.",
        ),
        ("Authorization: Bearer abc", "Authorization: [redacted]"),
        ('{"authorization": "Basic dXNlcjpwYXNz", "x": 1}', '{"authorization": "[redacted]", "x": 1}'),
        ("sent Bearer abc.def-123 to it", "sent Bearer [redacted] to it"),
        ("token: Bearer abc, sorry", "token: [redacted] sorry"),
        ("GET /v1?key=short&alt=sse failed", "GET /v1?key=[redacted]&alt=sse failed"),
        ("https://x.test/a?access_token=ab%20c&n=1", "https://x.test/a?access_token=[redacted]&n=1"),
        ("api_key='a b' model='m'", "api_key='[redacted]' model='m'"),
        (r"{\"apiKey\": \"abc\"}", r'{\"apiKey\": \"[redacted]"}'),
        ("OPENAI_API_KEY=abc", "OPENAI_API_KEY=[redacted]"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key = [redacted]"),
        ("password=p@ss,w:rd!) rejected", "password=[redacted] rejected"),
        ("clientSecret=abc", "clientSecret=[redacted]"),
        ('"key": "abc12345"', '"key": "[redacted]"'),
        ("Cookie: a=b; c=d\nnext", "Cookie: [redacted]\nnext"),
        ("mongodb://joe:p@ss@db.test:27017/x", "mongodb://[redacted]@db.test:27017/x"),
        ("https://joe:pa/ss@db.test/x", "https://[redacted]@db.test/x"),
        ("https://token@github.test/x", "https://[redacted]@github.test/x"),
        ("for joe%40example.com: no", "for [redacted]: no"),
        ("für jörg@bücher.example: nein", "für [redacted]: nein"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----.", "[redacted]."),
    ],
)
def test_what_stands_around_a_secret_stays(message: str, expected: str) -> None:
    assert redacted(message) == expected


@pytest.mark.parametrize(
    "message",
    [
        "Rate limit reached for gpt-4o in organization on tokens per min (TPM): Limit 30000, Used 29000.",
        "max_tokens=4096 is more than claude-sonnet-4-5-20250929 allows; max_token=8",
        "claude-3-5-sonnet@20240620 and gpt-4o@2024-05-13 were not found at https://x.test:8080/v1/models",
        "pplx-70b-online, task-force-2024-10-11 and risk-assessment-model do not exist",
        "request 7f9c24e8-3b12-4fef-91e0-56d1f6f2c1aa timed out after 30.5 s",
        "the provider answered rate_limited",
        "Bearer authentication is needed; Basic Authentication is off",
        "prompt_tokens: 12, completion_tokens: 3, total tokens=15",
        "KeyError: 'choices'; duplicate key: name; keys=3; tokenizer: cl100k_base",
        "https://api.openai.com/v1/chat/completions?api-version=2024-06-01",
        "",
    ],
)
def test_a_message_without_secrets_stays_as_it_is(message: str) -> None:
    assert redacted(message) == message


def test_a_long_message_is_cut_after_it_was_redacted() -> None:
    straddling = "x" * (MAX_CHARACTERS - 10) + f" sk-{BODY}"

    assert redacted("é" * MAX_CHARACTERS) == "é" * MAX_CHARACTERS
    assert redacted("é" * (MAX_CHARACTERS + 1)) == "é" * (MAX_CHARACTERS - 1) + "…"
    assert redacted(straddling) == "x" * (MAX_CHARACTERS - 10) + " [redacte…"


FRAGMENTS = [
    *SECRETS,
    *"\"'\\ \n.:=&@-_*/?#…,",
    *("key", "token", "api_key", "apiKey", "password", "Bearer ", "authorization: ", "cookie: ", "https://", "sk-"),
    *("eyJ", "-----BEGIN PRIVATE KEY-----", "[redacted]", "max_", "a", "B7", "%40", "x" * 480),
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join))
def test_a_redacted_message_stays_as_it_is(message: str) -> None:
    once = redacted(message)

    assert len(once) <= MAX_CHARACTERS
    assert redacted(once) == once


@pytest.mark.parametrize(
    "fragment", [*FRAGMENTS, "sk-a", "://a:", "a@", "@a", "a.", "key=", "key ", "Bearer a", "eyJ."]
)
def test_a_hostile_message_takes_no_longer_than_a_kind_one(fragment: str) -> None:
    """Three times the longest message, and five ends: with time that grows by the square this would not end."""
    for tail in ("", "!", "@", "@a", " ="):
        assert len(redacted(fragment * (30_000 // len(fragment)) + tail)) <= MAX_CHARACTERS


async def test_every_entry_holds_the_redacted_message(database: Database, tracker: Tracker) -> None:
    message = f"Incorrect API key provided: sk-{BODY}"

    await tracker.track(user_id="u", content_type="chat", model="gpt-4o", success=False, error_message=message)

    (entry,) = await entries(database)
    assert entry["errorMessage"] == "Incorrect API key provided: [redacted]"
