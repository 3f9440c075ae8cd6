"""What the caller of a wrapped client sees is what he saw before, and each call is reported once."""

from __future__ import annotations

import copy
import inspect
import pickle
from pathlib import Path
from typing import Any
from unittest import mock

import httpx2
import pytest
from client.tests.providers import ANSWER, MODEL, RESPONSES_USAGE, USAGE, Provider, answers, upstream
from client.tests.sdks import groq, mistral_azure, mistralai, openai
from client.tests.wrapped import ASKED, Rows, current, outcome, rows, unwrapped, wrapped
from pydantic import BaseModel

import twinmeter
from twinmeter.client import Client
from twinmeter.wrapping import groq as groq_paths
from twinmeter.wrapping import mistral as mistral_parts
from twinmeter.wrapping import openai as openai_paths

__all__ = ["answers", "current", "rows", "unwrapped", "upstream", "wrapped"]


def test_the_client_keeps_its_type_and_twice_wrapped_counts_once(wrapped: openai.OpenAI, rows: Rows) -> None:
    again = twinmeter.wrap(wrapped, user_id="u2")

    answer = again.chat.completions.create(**ASKED)

    assert again is wrapped
    assert type(again) is openai.OpenAI
    assert answer.choices[0].message.content == ANSWER
    (row,) = rows()
    assert (row["userId"], row["contentType"], row["provider"]) == ("u2", "chat", "openai")
    assert (row["usage"], row["response"]["model"]) == (USAGE, MODEL)
    assert "SECRET" not in repr(row)


def test_other_clients_are_not_touched(wrapped: openai.OpenAI, unwrapped: openai.OpenAI, rows: Rows) -> None:
    unwrapped.chat.completions.create(**ASKED)
    wrapped.models.with_raw_response  # noqa: B018 - what else there is goes on as before

    assert rows() == []


def test_a_request_that_is_wrong_is_made_twice_only_until_the_api_is_known(
    wrapped: openai.OpenAI, answers: Provider, rows: Rows
) -> None:
    def wrong() -> None:
        answers.does = 422
        with pytest.raises(openai.UnprocessableEntityError):
            wrapped.with_options(timeout=20).chat.completions.create(**ASKED, stream=True)

    wrong()
    answers.does = "answer"
    list(wrapped.chat.completions.create(**ASKED, stream=True))
    wrong()

    assert ["stream_options" in request for request in answers.requests] == [True, False, True, True]
    told = rows()
    assert [row.get("errorMessage") for row in told] == ["UnprocessableEntityError", None, "UnprocessableEntityError"]
    assert told[0]["model"] == "gpt-4o"


def test_retries_are_one_call(wrapped: openai.OpenAI, answers: Provider, rows: Rows) -> None:
    answers.does = "fail once"

    retrying = wrapped.with_options(max_retries=1)
    retrying.chat.completions.create(**ASKED)

    assert len(answers.requests) == 2
    (row,) = rows()
    assert (row["usage"]["total_tokens"], outcome(row)) == (1_801, (None, None))


def test_copies_of_a_wrapped_client_are_wrapped(answers: Provider, rows: Rows) -> None:
    with openai.OpenAI(base_url=f"{answers.address}/v1", api_key="k") as client:
        twinmeter.wrap(client, user_id="u7")
        client.copy().with_options(timeout=20).chat.completions.create(**ASKED)

    assert [row["userId"] for row in rows()] == ["u7"]


class City(BaseModel):
    city: str


def test_a_shallow_copy_asks_where_and_by_what_key_it_is_set_to(
    wrapped: openai.OpenAI, answers: Provider, rows: Rows
) -> None:
    other = copy.copy(wrapped)
    other.base_url = f"{answers.address}/other"
    other.chat.completions.create(**ASKED)
    assert rows() == []
    twinmeter.wrap(other, user_id="u3").chat.completions.create(**ASKED)
    wrapped.chat.completions.create(**ASKED)

    assert answers.paths == ["/other/chat/completions", "/other/chat/completions", "/v1/chat/completions"]
    assert [row["userId"] for row in rows()] == ["u3", "anonymous"]
    assert inspect.signature(wrapped.request) == inspect.signature(openai.OpenAI(api_key="k").request)


def test_an_error_that_cannot_be_looked_at_is_the_callers_as_it_was(current: Client) -> None:
    class OddError(BaseException):
        @property
        def completion(self) -> Any:
            raise ZeroDivisionError

        status_code = completion

    with httpx2.Client(transport=httpx2.MockTransport(mock.Mock(side_effect=OddError))) as http:
        odd = twinmeter.wrap(openai.OpenAI(api_key="k", http_client=http, max_retries=0))
        with pytest.raises(OddError):
            odd.chat.completions.create(**ASKED)

    assert current.counts().lost == 1


def test_helpers_that_parse_and_that_stream_work_as_before(wrapped: openai.OpenAI, rows: Rows) -> None:
    parsed = wrapped.chat.completions.parse(**ASKED, response_format=City)
    with wrapped.chat.completions.stream(**ASKED) as stream:
        kinds = [event.type for event in stream]
        whole = stream.get_final_completion()
    with wrapped.responses.stream(model="gpt-4o", input="x") as responses:
        final = responses.get_final_response()

    assert parsed.choices[0].message.parsed == City(city="Paris")
    assert ("content.done" in kinds, whole.choices[0].message.content) == (True, ANSWER)
    assert final.output_text == ANSWER
    told = [row["usage"] if "usage" in row else row["response"][-1]["response"]["usage"] for row in rows()]
    assert told == [USAGE, [USAGE], RESPONSES_USAGE]


def test_an_answer_too_long_to_be_parsed_was_still_paid_for(wrapped: openai.OpenAI, rows: Rows) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        wrapped.chat.completions.parse(**ASKED, response_format=City, user="length")

    (row,) = rows()
    assert (row["usage"], outcome(row)) == (USAGE, ("error", "LengthFinishReasonError"))


def test_raw_responses_are_as_before_and_reported(wrapped: openai.OpenAI, rows: Rows) -> None:
    raw = wrapped.chat.completions.with_raw_response.create(**ASKED)
    streamed = wrapped.chat.completions.with_raw_response.create(**ASKED, stream=True)
    chunks = list(streamed.parse())

    assert raw.parse().choices[0].message.content == ANSWER
    assert raw.headers["content-type"] == "application/json"
    assert [len(chunk.choices) for chunk in chunks] == [1, 1, 1, 1, 1]
    assert [(row["usage"], outcome(row)) for row in rows()] == [(USAGE, (None, None)), ([USAGE], (None, None))]


def test_speech_is_counted_by_what_was_spoken(wrapped: openai.OpenAI, rows: Rows) -> None:
    sound = wrapped.audio.speech.create(model="tts-1", voice="alloy", input="SECRET")
    with wrapped.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input="abc") as response:
        assert response.read() == b"ID3 sound"

    assert sound.read() == b"ID3 sound"
    assert [(row["characters"], row["model"], row["contentType"]) for row in rows()] == [
        (6, "tts-1", "speech"),
        (3, "tts-1", "speech"),
    ]


def test_speech_that_was_refused_is_not_counted(wrapped: openai.OpenAI, answers: Provider, rows: Rows) -> None:
    answers.does = 429
    with pytest.raises(openai.RateLimitError):
        wrapped.audio.speech.create(model="tts-1", voice="alloy", input="SECRET")

    (row,) = rows()
    assert (row["model"], outcome(row), "characters" in row) == ("tts-1", ("rate_limited", "RateLimitError"), False)


def test_whose_call_it_is_comes_from_around_and_from_the_beginning(answers: Provider, rows: Rows) -> None:
    with openai.OpenAI(base_url=f"{answers.address}/v1", api_key="k") as client:
        twinmeter.wrap(client, user_id="service", content_type="letter", campaign_id="c1")
        client.chat.completions.create(**ASKED)
        with twinmeter.context(user_id="u1", conversation_id="v1"):
            client.chat.completions.create(**ASKED)
            stream = client.chat.completions.create(**ASKED, stream=True)
        with twinmeter.context(user_id="u2", endpoint="other"):
            list(stream)

    assert [(row["userId"], row.get("conversationId"), row["contentType"], row["campaignId"]) for row in rows()] == [
        ("service", None, "letter", "c1"),
        ("u1", "v1", "letter", "c1"),
        ("u1", "v1", "letter", "c1"),
    ]
    assert all("endpoint" not in row for row in rows())


def test_nobody_known_is_anonymous(wrapped: openai.OpenAI, rows: Rows) -> None:
    wrapped.embeddings.create(model="text-embedding-3-small", input="x")
    with twinmeter.context(user_id="", content_type=""):  # as of who is not signed in
        wrapped.embeddings.create(model="text-embedding-3-small", input="x")

    for row in rows():
        assert (row["userId"], row["contentType"], row["serviceType"]) == ("anonymous", "embedding", "embedding")
    assert len(rows()) == 2


def test_a_wrapped_client_in_a_block_is_reported_once_and_with_the_blocks_fields(
    wrapped: openai.OpenAI, rows: Rows
) -> None:
    with twinmeter.call(user_id="u9", content_type="agent", request_id="r1") as call:
        wrapped.chat.completions.create(**ASKED)
        call.record(wrapped.chat.completions.create(**ASKED))

    assert [(row["userId"], row["contentType"], row["usage"]) for row in rows()] == [("u9", "agent", USAGE)] * 2
    assert [row["requestId"] == "r1" for row in rows()] == [True, False]
    assert call.receipt is None


def test_no_fault_of_ours_reaches_the_caller(
    wrapped: openai.OpenAI, rows: Rows, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("SECRET")

    for name in (
        "stainless.Starting",
        "operations.Observation",
        "stainless.watched",
        "stainless._asking",
        "stainless.until_closed",
    ):
        with monkeypatch.context() as patched:
            patched.setattr(f"twinmeter.wrapping.{name}", fails)
            assert wrapped.chat.completions.create(**ASKED).choices[0].message.content == ANSWER
            stream = wrapped.chat.completions.create(**ASKED, stream=True)
            assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == ANSWER
    for name in ("observation.fields_of", "observation.Events", "observation.names_model", "usage.told_of"):
        with monkeypatch.context() as patched:
            patched.setattr(f"twinmeter.{name}", fails)
            assert wrapped.chat.completions.create(**ASKED).choices[0].message.content == ANSWER
            assert len(list(wrapped.chat.completions.create(**ASKED, stream=True))) == 5

    reported, counts = rows(), twinmeter.counts()
    assert (len(reported), counts.delivered + counts.lost) == (counts.delivered, 18)
    assert {record.levelname for record in caplog.records if record.name == "twinmeter"} == {"WARNING"}
    assert "SECRET" not in caplog.text


def test_parts_that_were_used_before_are_wrapped_too(answers: Provider, rows: Rows) -> None:
    with openai.OpenAI(base_url=f"{answers.address}/v1", api_key="k") as client:
        completions = client.chat.completions
        raw = completions.with_raw_response
        twinmeter.wrap(client)
        completions.create(**ASKED)
        raw.create(**ASKED)
    with mistralai.Mistral(server_url=f"{answers.address}/mistral", api_key="k") as other:
        chat = other.chat
        twinmeter.wrap(other)
        chat.complete(**ASKED)
        other.embeddings.create(model="mistral-embed", inputs=["x"])

    assert [row["contentType"] for row in rows()] == ["chat", "chat", "chat", "embedding"]


@pytest.mark.parametrize("other", [object(), 7, None, httpx2, "openai"], ids=lambda other: type(other).__name__)
def test_what_cannot_be_wrapped_is_left_as_it_is(caplog: pytest.LogCaptureFixture, other: Any) -> None:
    assert twinmeter.wrap(other) is other
    assert twinmeter.wrap(other) is other

    assert len([record for record in caplog.records if record.name == "twinmeter"]) == 1


def test_an_answer_can_still_be_pickled(wrapped: openai.OpenAI) -> None:
    answer = wrapped.chat.completions.create(**ASKED)

    assert pickle.loads(pickle.dumps(answer)).id == answer.id


@pytest.mark.parametrize(("package", "operations"), [(openai, openai_paths.OPERATIONS), (groq, groq_paths.OPERATIONS)])
def test_the_sdk_asks_for_what_is_watched(package: Any, operations: dict[str, Any]) -> None:
    resources = Path(package.__file__).parent / "resources"
    source = "".join(path.read_text("utf-8") for path in resources.rglob("*.py"))

    assert [path for path in operations if f'"{path}"' not in source] == []


def test_each_part_of_mistrals_is_watched_when_it_is_used() -> None:
    with twinmeter.wrap(mistralai.Mistral(api_key="k")) as client:
        parts = {"chat": client.chat, "fim": client.fim, "agents": client.agents, "embeddings": client.embeddings}
        parts |= {"ocr": client.ocr, "responses": client.responses, "conversations": client.beta.conversations}
        parts |= {"transcriptions": client.audio.transcriptions, "speech": client.audio.speech}

        for name, methods in mistral_parts._PARTS.items():
            for method in methods:
                assert hasattr(type(parts[name]), method), f"{name}.{method}"
                assert {method, f"{method}_async"} <= vars(parts[name]).keys(), f"{name}.{method}"
                assert getattr(parts[name], method).__name__ == method


def test_mistral_on_azure_is_azures(answers: Provider, rows: Rows) -> None:
    with mistral_azure.MistralAzure(api_key="k", server_url=f"{answers.address}/mistral") as client:
        twinmeter.wrap(client).chat.complete(**ASKED)

    assert [(row["provider"], row["usage"]) for row in rows()] == [("azure", USAGE)]
