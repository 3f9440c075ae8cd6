"""The stand-in for providers: the real clients understand it, and it misbehaves as it is asked to."""

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.usage.reader import read_usage
from client.tests.sdks import anthropic, openai
from scripts.provider import Provider, faults, provider
from tests.forked import Forked
from tests.test_server import ROOT

PROMPT: Any = [{"role": "user", "content": "one two three"}]
ANSWER = "You said: one two three"
TOOL = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
ASKED = {"model": "gpt-4o", "messages": PROMPT}


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Provider]:
    with provider() as stand_in:
        yield stand_in


@pytest.fixture
def http(stand_in: Provider) -> Iterator[httpx.Client]:
    stand_in.forget()
    with httpx.Client(base_url=stand_in.address, headers={"authorization": "Bearer sk-1"}) as client:
        yield client


def chat(http: httpx.Client, fault: str = "", **more: Any) -> httpx.Response:
    return http.post("/v1/chat/completions", json={**ASKED, **more, "model": f"gpt-4o--{fault}"})


def test_openai_reads_its_chats_whole_and_as_a_stream(stand_in: Provider) -> None:
    with openai.OpenAI(base_url=stand_in.base_url, api_key="sk-1") as client:
        whole = client.chat.completions.create(model="gpt-4o", messages=PROMPT)
        stream = list(
            client.chat.completions.create(
                model="gpt-4o",
                messages=PROMPT,
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    assert (whole.choices[0].message.content, whole.model, whole._request_id is None) == (
        ANSWER,
        "gpt-4o-2024-08-06",
        False,
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream[:-1]) == ANSWER
    assert whole.usage is not None
    assert stream[-1].usage == whole.usage
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (3, 5)


def test_anthropic_reads_its_messages_whole_and_as_a_stream(stand_in: Provider) -> None:
    asked: Any = {"model": "claude-opus-4-6", "max_tokens": 4, "messages": PROMPT}
    with anthropic.Anthropic(base_url=stand_in.address, api_key="sk-1") as client:
        whole = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            streamed = stream.get_final_message()
        counted = client.messages.count_tokens(model="claude-opus-4-6", messages=PROMPT)
    for answer in (whole, streamed):
        assert [block.to_dict()["text"] for block in answer.content] == ["You said: one two"]
        assert answer.stop_reason == "max_tokens"
    assert (whole.usage.input_tokens, whole.usage.output_tokens, streamed.usage.output_tokens) == (3, 4, 4)
    assert counted.input_tokens == 3


def test_gemini_reads_what_it_generates_whole_and_as_a_stream(stand_in: Provider) -> None:
    from google import genai  # noqa: PLC0415 - it takes a second

    with genai.Client(api_key="sk-1", http_options={"base_url": stand_in.address}) as client:
        whole = client.models.generate_content(model="gemini-2.5-flash", contents="one two three")
        stream = list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="one two three"))
    assert whole.text == ANSWER
    assert "".join(chunk.text or "" for chunk in stream) == ANSWER
    assert whole.usage_metadata is not None
    assert stream[-1].usage_metadata == whole.usage_metadata
    assert whole.usage_metadata.thoughts_token_count == 100


@pytest.mark.parametrize(
    ("path", "asked", "expected"),
    [
        ("/v1/chat/completions", ASKED, (3, 5)),
        ("/v1/chat/completions", {**ASKED, "model": "gpt-5"}, (3, 69)),
        ("/v1/chat/completions", {**ASKED, "n": 2}, (3, 10)),
        ("/groq/openai/v1/chat/completions", {**ASKED, "model": "llama-3.3-70b-versatile"}, (3, 5)),
        ("/mistral/v1/chat/completions", {**ASKED, "model": "mistral-small-latest"}, (3, 5)),
        ("/deepseek/chat/completions", {**ASKED, "model": "deepseek-chat"}, (3, 5)),
        ("/v1/responses", {"model": "gpt-4o", "input": "one two three"}, (3, 5)),
        ("/v1/embeddings", {"model": "text-embedding-3-small", "input": ["one two", "three"]}, (3, 0)),
        ("/v1/images/generations", {"model": "gpt-image-1", "prompt": "a red cat", "quality": "low"}, (3, 272)),
        ("/v1/messages", {"model": "claude-opus-4-6", "max_tokens": 100, "messages": PROMPT}, (3, 5)),
        ("/v1beta/models/gemini-2.5-pro:generateContent", {"contents": [{"parts": [{"text": "a b c"}]}]}, (3, 105)),
    ],
)
def test_what_was_used_is_known_to_the_token(
    http: httpx.Client, path: str, asked: Any, expected: tuple[int, int]
) -> None:
    usage = read_usage(http.post(path, json=asked).json())
    assert (usage.input_tokens, usage.output_tokens) == expected


def test_tools_and_schemas_get_what_they_ask_for(http: httpx.Client) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": TOOL}}]
    called = chat(http, tools=tools).json()["choices"][0]["message"]
    assert json.loads(called["tool_calls"][0]["function"]["arguments"]) == {"city": "Paris", "days": 42}

    wanted = {"type": "json_schema", "json_schema": {"name": "w", "schema": TOOL}}
    said = chat(http, response_format=wanted).json()["choices"][0]["message"]["content"]
    assert json.loads(said) == {"city": "Paris", "days": 42}

    messages = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": PROMPT}
    claude = http.post("/v1/messages", json={**messages, "tools": [{"name": "weather", "input_schema": TOOL}]}).json()
    assert (claude["stop_reason"], claude["content"][0]["input"]) == ("tool_use", {"city": "Paris", "days": 42})


def test_the_same_question_has_the_same_answer_and_the_log_says_what_came(
    stand_in: Provider, http: httpx.Client
) -> None:
    first, second = chat(http), chat(http)
    assert (first.content, first.headers) == (second.content, second.headers)
    (came, _) = stand_in.requests
    assert (came.method, came.path, came.header("authorization")) == ("POST", "/v1/chat/completions", "Bearer sk-1")
    assert (came.fields["messages"], came.ended) == (PROMPT, "sent")


@pytest.mark.parametrize(
    ("fault", "status", "headers"),
    [
        ("rate_limit=3600", 429, {"retry-after": "3600"}),
        ("rate_limit_ms=20", 429, {"retry-after-ms": "20"}),
        ("echo=400", 400, {"content-type": "application/json"}),
        ("error=503", 503, {"content-type": "application/json"}),
        ("html", 502, {"content-type": "text/html"}),
        ("html=200", 200, {"content-type": "text/html"}),
    ],
)
def test_it_refuses_as_it_is_asked_to(
    stand_in: Provider, http: httpx.Client, fault: str, status: int, headers: dict[str, str]
) -> None:
    by_model = chat(http, fault)
    by_header = http.post("/v1/chat/completions", json=ASKED, headers={"x-provider-fault": fault})
    stand_in.fail(fault)
    from_outside, after = http.post("/v1/chat/completions", json=ASKED), http.post("/v1/chat/completions", json=ASKED)
    for refused in (by_model, by_header, from_outside):
        assert (refused.status_code, {name: refused.headers[name] for name in headers}) == (status, headers)
    assert after.status_code == 200


@pytest.mark.parametrize("fault", ["cut=2", "rst=2", "cut=-1", "rst=-1"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_connection_breaks_where_it_is_asked_to(
    stand_in: Provider, http: httpx.Client, fault: str, stream: bool
) -> None:
    with pytest.raises(httpx.TransportError):
        chat(http, fault, stream=stream)
    (came,) = stand_in.until(lambda requests: requests[0].ended)
    assert (came.ended, came.events) == ("cut", 2 if stream and fault.endswith("=2") else 0)


def test_silence_lasts_until_the_client_leaves(stand_in: Provider, http: httpx.Client) -> None:
    silent = {**ASKED, "stream": True, "model": "m--silence=1"}
    with (
        pytest.raises(httpx.ReadTimeout),
        http.stream("POST", "/v1/chat/completions", json=silent, timeout=0.3) as answer,
    ):
        answer.read()
    (came,) = stand_in.until(lambda requests: requests[0].ended)
    assert (came.ended, came.events) == ("gone", 1)


def test_streams_are_slow_split_huge_or_lack_something_as_they_are_asked_to(http: httpx.Client) -> None:
    stream: Any = {"stream": True, "stream_options": {"include_usage": True}}
    plain = chat(http, **stream)
    events = plain.text.split("\n\n")
    began = time.monotonic()
    assert chat(http, "slow=5", **stream).content == plain.content
    assert time.monotonic() - began >= 0.005 * (len(events) - 2)
    assert chat(http, "split=7", **stream).content == plain.content
    assert chat(http, "gzip", **stream).content == plain.content
    assert chat(http, "crlf", **stream).text.replace("\r\n", "\n") == plain.text
    assert chat(http, "no_done", **stream).text == plain.text.removesuffix("data: [DONE]\n\n")
    assert "usage" not in chat(http, "no_usage", **stream).text
    assert '"error":' in chat(http, "error_event=2", **stream).text.split("\n\n")[2]
    assert 900_000 < len(chat(http, "huge=1", **stream).content) < 1_100_000
    assert chat(http, "tokens=200", **stream).text.count("word") == 200
    assert chat(http, "no_stream", **stream).headers["content-type"] == "application/json"


def test_whole_answers_are_broken_as_they_are_asked_to_be(http: httpx.Client) -> None:
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        chat(http, "broken_json").json()
    assert "usage" not in chat(http, "no_usage").json()
    assert gzip.decompress(b"".join(_raw(http, "gzip")))[:1] == b"{"
    with pytest.raises(httpx.ReadTimeout):
        http.post("/v1/chat/completions", json={**ASKED, "model": "m--length=5"}, timeout=0.2)


def _raw(http: httpx.Client, fault: str) -> list[bytes]:
    with http.stream("POST", "/v1/chat/completions", json={**ASKED, "model": f"m--{fault}"}) as answer:
        return list(answer.iter_raw())


def test_all_that_it_does_wrong_is_in_its_table() -> None:
    assert [name for name in faults._CHANGES if f"`{name}" not in (faults.__doc__ or "")] == []


@pytest.mark.parametrize("key", ["", "Bearer sk-wrong-1"])
def test_who_has_no_key_is_refused(stand_in: Provider, key: str) -> None:
    refused = httpx.post(
        f"{stand_in.base_url}/chat/completions", json=ASKED, headers={"authorization": key} if key else {}
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


def test_as_a_process_of_its_own_it_says_where_it_is_and_takes_faults_over_http() -> None:
    with Forked([sys.executable, "-m", "scripts.provider"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1]
            httpx.post(f"{address}/_provider/fail", json={"fault": "error=503", "times": 2})
            headers = {"authorization": "Bearer sk-1"}
            statuses = [
                httpx.post(f"{address}/v1/chat/completions", json=ASKED, headers=headers).status_code for _ in range(3)
            ]
            log = httpx.get(f"{address}/_provider/requests").json()
        finally:
            process.kill()
    assert statuses == [503, 503, 200]
    assert [came["fault"] for came in log] == ["error=503", "error=503", ""]
