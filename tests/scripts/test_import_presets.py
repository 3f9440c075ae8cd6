"""Files as people have them: what a preset, or a mapping that their owner would write, makes of them."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.database import Database
from app.errors import AppError
from tests.scripts.imports import Importer, rejects
from tests.twins import assert_twins, entries

FIELD = Path(__file__).parents[1] / "data" / "field" / "imports.jsonl"
ROWS = {row["id"][:2]: row for row in map(json.loads, FIELD.read_text("utf-8").splitlines())}


def field_file(which: str, folder: Path) -> tuple[Path, Path]:
    """The file and the mapping of a row."""
    payload = ROWS[which]["payload"]
    (name,) = [name for name in payload if name.startswith("file ")]
    file, mapping = folder / name.removeprefix("file "), folder / "mapping.toml"
    file.write_text(payload[name], "utf-8")
    mapping.write_text(payload["mapping"], "utf-8")
    return file, mapping


def figures(entry: dict[str, Any], *more: str) -> tuple[Any, ...]:
    """Input, output, cache read and written, and the cost."""
    names = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", *more)
    cost = None if entry["cost"] is None else entry["cost"].to_decimal()
    return (*(entry.get(name, 0) for name in names), cost)


async def ordered(database: Database) -> list[dict[str, Any]]:
    return sorted(await entries(database), key=lambda entry: entry["createdAt"])


@pytest.mark.parametrize("by", ["preset", "mapping"])
async def test_claude_code_counts_a_message_once_and_the_cache_beside_its_input(
    other: Database, imported: Importer, tmp_path: Path, by: str
) -> None:
    file, mapping = field_file("D1", tmp_path)

    for _ in range(2):
        await imported(other, file, mapping="claude-code" if by == "preset" else str(mapping))

    first, second = await ordered(other)
    assert figures(first, "cacheWrite1hTokens") == (27427, 159, 15555, 11862, 11862, Decimal("0.0782535"))
    assert figures(second) == (57417, 500, 27417, 0, Decimal("0.1057251"))
    assert [entry["costSource"] for entry in (first, second)] == ["priced", "priced"]
    assert rejects(tmp_path) == []


@pytest.mark.parametrize("by", ["preset", "mapping"])
async def test_cursor_has_columns_beside_each_other_and_costs_that_are_words(
    other: Database, imported: Importer, tmp_path: Path, by: str
) -> None:
    file, mapping = field_file("D2", tmp_path)

    summary = await imported(other, file, mapping="cursor" if by == "preset" else str(mapping))
    again = await imported(other, file, mapping="cursor" if by == "preset" else str(mapping))

    assert [figures(entry) for entry in await ordered(other)] == [
        (24740, 255, 20000, 4735, Decimal("0.03")),
        (15000, 400, 3000, 0, Decimal("0.02")),
        (1500, 40, 300, 0, None),
    ]
    assert (summary.counts["new"], again.counts["known"]) == (3, 3)


@pytest.mark.parametrize("by", ["preset", "mapping"])
async def test_a_bill_of_days_is_refused_and_with_as_sums_marked_as_one(
    other: Database, imported: Importer, tmp_path: Path, by: str
) -> None:
    file, own = field_file("D3", tmp_path)
    mapping = "anthropic-console" if by == "preset" else str(own)

    with pytest.raises(AppError) as refused:
        await imported(other, file, mapping=mapping)
    assert str(refused.value) == (
        f"{file}: each row is the sum of many calls, not a call; --as-sums imports each as one entry marked as a sum"
    )
    assert await assert_twins(other) == set()
    summary = await imported(other, file, mapping=mapping, as_sums=True)
    again = await imported(other, file, mapping=mapping, as_sums=True)

    assert (summary.counts["new"], again.counts["new"], again.counts["known"], rejects(tmp_path)) == (2, 0, 2, [])
    first, second = sorted(await entries(other), key=lambda entry: int(entry["inputTokens"]))
    assert figures(first) == (62950, 16932, 0, 15969, Decimal("0.75801125"))
    assert figures(second, "webSearches", "batch") == (100000, 5000, 0, 0, 10, True, Decimal("0.4125"))
    assert [(entry["aggregated"], entry["createdAt"].isoformat()[:13]) for entry in (first, second)] == (
        [(True, "2026-08-05T12")] * 2
    )


def lines(*objects: Any) -> str:
    return "".join(json.dumps(each) + "\n" for each in objects)


def codex(at: str, last: dict[str, int] | None, total: dict[str, int] | None) -> dict[str, Any]:
    info = None if last is None else {"last_token_usage": last, "total_token_usage": total, "model_context_window": 9}
    payload = {"type": "token_count", "info": info, "rate_limits": {"primary": {"used_percent": 1.0}}}
    return {"timestamp": f"2026-10-01T10:{at}Z", "type": "event_msg", "payload": payload}


def codex_counts(fresh: int, cached: int, output: int, reasoning: int) -> dict[str, int]:
    counts = {"input_tokens": fresh, "cached_input_tokens": cached, "output_tokens": output}
    return counts | {"reasoning_output_tokens": reasoning, "total_tokens": fresh + output}


CODEX_HEAD = {"timestamp": "2026-10-01T10:00:00Z", "type": "session_meta", "payload": {"id": "s1", "cwd": "/x"}}
CODEX_TURN = {"timestamp": "2026-10-01T10:00:01Z", "type": "turn_context", "payload": {"model": "gpt-5"}}
FIRST, SECOND = codex_counts(10_000, 8_000, 500, 300), codex_counts(20_000, 16_000, 100, 0)
SUM = codex_counts(30_000, 24_000, 600, 300)


async def test_codex_is_read_call_by_call_though_it_writes_sums_and_writes_them_again(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    events = [codex("00:02", None, None), codex("00:03", FIRST, FIRST), codex("00:04", FIRST, FIRST)]
    session = [CODEX_HEAD, CODEX_TURN, *events, codex("01:00", SECOND, SUM)]
    forked = {"timestamp": "2026-10-01T11:00:00Z", "type": "session_meta", "payload": {"id": "s2"}}
    forked["payload"]["forked_from_id"] = "s1"  # type: ignore[index]
    folder = tmp_path / "sessions" / "2026" / "10" / "01"
    folder.mkdir(parents=True)
    (folder / "rollout-1.jsonl").write_text(lines(*session))
    (folder / "rollout-2.jsonl").write_text(lines(forked, *session[1:]))
    (folder / "history.log").write_text("not of these")

    summary = await imported(other, tmp_path / "sessions", mapping="codex", user="anna")

    assert dict(summary.counts) == {"new": 2, "known": 2, "rejected": 0, "left out": 6, "told again": 2}
    first, second = await ordered(other)
    # gpt-5: 1.25, cached 0.125 and 10 per million
    assert figures(first, "reasoningTokens") == (10_000, 500, 8_000, 0, 300, Decimal("0.0085"))
    assert figures(second) == (20_000, 100, 16_000, 0, Decimal("0.008"))
    told = [(entry["userId"], entry["conversationId"], entry["aiModel"]) for entry in (first, second)]
    assert told == [("anna", "s1", "gpt-5")] * 2


LITELLM = {
    "request_id": "chatcmpl-1",
    "call_type": "acompletion",
    "api_key": "hash",
    "spend": "0.00123",
    "total_tokens": 1_200,
    "prompt_tokens": 1_000,
    "completion_tokens": 200,
    "startTime": "2026-10-01 10:00:00.250",
    "endTime": "2026-10-01 10:00:02.000",
    "completionStartTime": "2026-10-01 10:00:00.750",
    "model": "claude-sonnet-4-6",
    "custom_llm_provider": "anthropic",
    "end_user": "",
    "user": "anna",
    "cache_hit": "False",
    "metadata": {
        "usage_object": {
            "prompt_tokens": 1_000,
            "completion_tokens": 200,
            "total_tokens": 1_200,
            "prompt_tokens_details": {"cached_tokens": 600, "text_tokens": 400},
            "completion_tokens_details": None,
            "cache_read_input_tokens": 600,
            "cache_creation_input_tokens": 0,
        }
    },
    "status": "success",
}

CSVS: dict[str, tuple[str, list[tuple[Any, ...]], dict[str, Any]]] = {
    "openrouter": (
        (
            "generation_id,created_at,cost_total,cost_web_search,cost_cache,cost_file_processing,byok_usage_inference,"
            "tokens_prompt,tokens_completion,tokens_reasoning,tokens_cached,model_permaslug,provider_name,variant,cancelled,"
            "streamed,user,finish_reason_raw,generation_time_ms,time_to_first_token_ms,app_name,api_key_name\n"
            "gen-1,2026-06-28 03:46:57.713,0.0123,0,-0.001,0,0.02,10389,137,100,512,openai/gpt-oss-120b,X,,false,true,,"
            "stop,1500,200,app,key\n"
        ),
        [(10_389, 137, 512, 0, Decimal("0.0323"))],
        {"userId": "key", "requestDuration": 1_500, "timeToFirstToken": 200, "reasoningTokens": 100},
    ),
    "openrouter-activity": (
        (
            "Date,Slug,Usage,BYOK Usage,Requests,Prompt Tokens,Completion Tokens,Reasoning Tokens\n"
            '"2026-05-12 00:00:00","anthropic/claude-opus-4.7","$1,430.07","0","4115","70965665","3009973","0"\n'
        ),
        [(70_965_665, 3_009_973, 0, 0, Decimal("1430.07"))],
        {"aggregated": True, "aggregatedRequests": 4_115},
    ),
    "openai-usage": (
        (
            "start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,"
            "input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens,input_audio_tokens,output_audio_tokens\n"
            "1761523200,1761609600,2025-10-27T00:00:00+00:00,2025-10-28T00:00:00+00:00,p,3.0,u,k,gpt-4o-2024-08-06,False,"
            "7162,1000,1280,5882,0,0\n"
            "1761609600,1761696000,2025-10-28T00:00:00+00:00,2025-10-29T00:00:00+00:00,,,,,,,,,,,,\n"
        ),
        # gpt-4o: 2.50, cached 1.25 and 10 per million
        [(7_162, 1_000, 1_280, 0, Decimal("0.026305"))],
        {"userId": "u", "aggregatedRequests": 3},
    ),
    "helicone": (
        (
            "request_id,request_created_at,response_model,provider,prompt_tokens,completion_tokens,total_tokens,delay_ms,"
            "helicone_user,response_status,prompt_cache_read_tokens,prompt_cache_write_tokens,cost\n"
            "r1,2026-10-01T10:00:00Z,gpt-4o,OPENAI,1000,100,1100,812,anna,200,0,0,0.0035\n"
            "r2,2026-10-01T10:01:00Z,gpt-4o,OPENAI,,,,30,anna,429,,,\n"
        ),
        [(1_000, 100, 0, 0, Decimal("0.0035")), (0, 0, 0, 0, Decimal(0))],
        {"userId": "anna", "status": "rate_limited"},
    ),
    "langfuse": (
        (
            "id,traceId,type,startTime,endTime,completionStartTime,model,userId,sessionId,level,usageDetails,totalCost\n"
            "o1,t,GENERATION,2026-10-01T10:00:00.000Z,2026-10-01T10:00:02.500Z,2026-10-01T10:00:01Z,gpt-5-mini,anna,s,"
            'DEFAULT,"{""input"":70,""input_cached_tokens"":30,""output"":5,""output_reasoning_tokens"":15,""total"":120}",'
            "0.00005825\n"
            "o2,t,SPAN,2026-10-01T10:00:00.000Z,,,,,,,,\n"
        ),
        [(100, 20, 30, 0, Decimal("0.00005825"))],
        {"userId": "anna", "reasoningTokens": 15, "requestDuration": 2_500, "timeToFirstToken": 1_000},
    ),
}


@pytest.mark.parametrize("preset", CSVS)
async def test_exports_of_other_systems(other: Database, imported: Importer, tmp_path: Path, preset: str) -> None:
    text, expected, more = CSVS[preset]
    (tmp_path / "a.csv").write_text(text)

    for times in (1, 2):
        summary = await imported(other, tmp_path / "a.csv", mapping=preset, as_sums=True)
        assert (rejects(tmp_path), summary.counts["known"]) == ([], len(expected) * (times - 1))

    found = await ordered(other)
    assert [figures(entry) for entry in found] == expected
    assert {name: found[-1].get(name) for name in more} == more


async def test_a_spend_log_of_litellm_is_the_same_as_csv_and_as_json_lines(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    row = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in LITELLM.items()}
    cells = ['"' + str(value).replace('"', '""') + '"' for value in row.values()]
    (tmp_path / "a.csv").write_text(f"{','.join(row)}\n{','.join(cells)}\n")
    unpriced = {**LITELLM, "request_id": "chatcmpl-2", "spend": 0}
    (tmp_path / "a.jsonl").write_text(lines(LITELLM, unpriced))

    summary = await imported(other, tmp_path / "a.csv", tmp_path / "a.jsonl", mapping="litellm")

    assert (summary.counts["new"], summary.counts["known"], rejects(tmp_path)) == (2, 1, [])
    stated, priced = sorted(await entries(other), key=lambda entry: str(entry["costSource"]), reverse=True)
    assert (stated["costSource"], stated["costBasis"], priced["costSource"]) == ("reported", "spend", "priced")
    assert figures(stated) == (1_000, 200, 600, 0, Decimal("0.00123"))
    # 400 at 3, 600 at 0.30 and 200 at 15 per million
    assert figures(priced) == (1_000, 200, 600, 0, Decimal("0.00438"))
    assert (stated["userId"], stated["requestDuration"], stated["timeToFirstToken"]) == ("anna", 1_750, 500)


CLAUDE = {
    "type": "assistant",
    "uuid": "u",
    "timestamp": "2026-10-12T08:00:01Z",
    "sessionId": "s",
    "message": {"id": "m", "model": "claude-sonnet-4-6", "usage": {"input_tokens": 10, "output_tokens": 3}},
}


def claude(**changes: Any) -> dict[str, Any]:
    message = {**CLAUDE["message"], **changes.pop("message", {})}  # type: ignore[dict-item]
    return {**CLAUDE, **changes, "message": message}


async def test_transcripts_are_a_folder_whose_copies_sidechains_and_old_costs_count_once(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    projects = tmp_path / "projects"
    (projects / "p" / "subagents").mkdir(parents=True)
    (projects / "p" / "empty.jsonl").write_text("")
    (projects / "p" / "1.jsonl").write_text(lines({"type": "summary", "leafUuid": "x"}, claude()))
    resumed = [claude(sessionId="resumed", timestamp="2026-10-12T09:00:01Z")]
    own = claude(sessionId="resumed", message={"id": "old"}, costUSD=0.25, timestamp="2026-10-12T08:00:02Z")
    nothing = claude(message={"id": "no", "model": "<synthetic>"})
    (projects / "p" / "2.jsonl").write_text(lines(*resumed, own, nothing))
    side = claude(isSidechain=True, agentId="a", message={"id": "side"}, timestamp="2026-10-12T08:00:03Z")
    (projects / "p" / "subagents" / "agent-a.jsonl").write_text(lines(side))

    summary = await imported(other, projects, mapping="claude-code")

    assert dict(summary.counts) == {"new": 3, "known": 1, "rejected": 0, "left out": 2}
    # 10 at 3 and 3 at 15 per million
    costs = [figures(entry)[-1] for entry in await ordered(other)]
    assert costs == [Decimal("0.000075"), Decimal("0.25"), Decimal("0.000075")]


async def test_a_file_that_was_cut_off_gives_all_that_is_whole(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    whole = lines(claude(), claude(message={"id": "m2"}), claude(message={"id": "é"}))
    for number, cut in enumerate((20, 60, len(json.dumps(claude())) // 2)):
        (tmp_path / "a.jsonl").write_bytes(whole.encode()[:-cut])
        summary = await imported(other, tmp_path / "a.jsonl", mapping="claude-code")
        assert (summary.counts["new"], summary.counts["known"]) == ((2, 0) if number == 0 else (0, 2))
        ((line, why),) = rejects(tmp_path)
        assert (line, why.endswith("it has no line break, so it may be truncated")) == ("line 3", True)
    header = CSVS["helicone"][0]
    (tmp_path / "b.csv").write_text(header[:-40])
    summary = await imported(other, tmp_path / "b.csv", mapping="helicone")
    assert (summary.counts["new"], summary.counts["rejected"], rejects(tmp_path)[0][0]) == (1, 1, "line 3")


@pytest.mark.parametrize(
    ("preset", "content", "said"),
    [
        ("cursor", CSVS["openrouter"][0], "missing column Date (for request_id)"),
        ("cursor", CSVS["openrouter"][0], "; --preset openrouter would fit"),
        ("claude-code", lines(CODEX_HEAD, CODEX_TURN, codex("00:03", FIRST, FIRST)), "--preset codex would fit"),
        ("codex", lines(CLAUDE), "--preset claude-code would fit"),
        ("litellm", lines(CLAUDE), "no row has request_id (for request_id), "),
        ("langfuse", lines(LITELLM), "--preset litellm would fit"),
    ],
)
async def test_a_preset_on_the_wrong_file_names_what_is_missing_and_the_one_that_fits(
    other: Database, imported: Importer, tmp_path: Path, preset: str, content: str, said: str
) -> None:
    path = tmp_path / ("a.jsonl" if content.startswith("{") else "a.csv")
    path.write_text(content)

    with pytest.raises(AppError) as refused:
        await imported(other, path, mapping=preset)

    assert str(refused.value).startswith(str(path))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
