"""What operators run, and what they are told."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import jwt
import pytest

from app.api_keys import KeyRing
from app.auth import Principal, Scope, Tokens
from app.database import Database
from app.reports.query import ReportQuery
from app.reports.reports import Reports
from app.reports.windows import TimeWindow
from app.settings import Settings
from app.tracking import AICall
from scripts.demo_calls import demo_calls
from tests.scripts.conftest import Command
from tests.twins import assert_twins

TRACE = Path(__file__).parents[1] / "data" / "azure_llm_inference_2023_conv.csv"


async def test_a_token_is_printed_alone_and_holds_for_the_days_asked_for(command: Command, settings: Settings) -> None:
    made = await asyncio.to_thread(command, "scripts.create_token", "--role", "admin", "--user", "me", "--days", "2")

    assert (made.returncode, made.stderr) == (0, "")
    token = made.stdout.strip()
    principal = await Tokens.of(settings).principal(token)
    assert principal == Principal("me", frozenset(Scope), None, None)
    claims = jwt.decode(token, settings.signing_secret, ["HS256"])
    assert claims["exp"] - claims["iat"] == 2 * 24 * 3600


async def test_a_key_is_printed_alone_and_opens_what_it_was_made_for(command: Command, database: Database) -> None:
    arguments = ["--name", "shop", "--client", "acme", "--scopes", "ingest,read", "--days", "2"]

    made = await asyncio.to_thread(command, "scripts.create_api_key", *arguments)

    text = made.stdout.strip()
    assert (made.returncode, made.stdout, text.count("\n"), text in made.stderr) == (0, f"{text}\n", 0, False)
    principal = await KeyRing(database).principal(text)
    (key,) = await KeyRing(database).all("acme")
    assert principal == Principal(f"key:{key.key_id}", frozenset({Scope.INGEST, Scope.READ}), "acme", None)
    assert key.expires_at is not None
    assert timedelta(days=2) - (key.expires_at - key.created_at) < timedelta(seconds=10)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scopes", "ingest"],
        ["--name", "shop", "--scopes", "king"],
        ["--name", "shop", "--client", "*"],
        ["--name", "", "--client", "acme"],
        ["--name", "shop", "--days", "0"],
    ],
)
def test_a_key_that_cannot_be_is_refused(usage: Command, arguments: list[str]) -> None:
    refused = usage("scripts.create_api_key", *arguments)

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("usage: python -m scripts.create_api_key")


@pytest.mark.parametrize("arguments", [["--role", "king", "--user", "me"], ["--role", "admin"], []])
def test_wrong_arguments_end_with_the_usage(usage: Command, arguments: list[str]) -> None:
    refused = usage("scripts.create_token", *arguments)

    assert refused.returncode == 2
    assert refused.stderr.startswith("usage: python -m scripts.create_token")


@pytest.mark.parametrize(
    "name", ["create_token", "create_api_key", "replay_trace", "demo", "bench", "drill", "erase_user"]
)
def test_help_says_why_and_how(usage: Command, name: str) -> None:
    shown = usage(f"scripts.{name}", "--help")

    assert shown.returncode == 0
    assert f"usage: python -m scripts.{name}" in shown.stdout


async def test_the_recorded_trace_gives_its_exact_totals_and_once_only(
    command: Command, settings: Settings, database: Database
) -> None:
    arguments = [str(TRACE), "--model", "gpt-4o", "--content-type", "chat"]

    first = await asyncio.to_thread(command, "scripts.replay_trace", *arguments)
    again = await asyncio.to_thread(command, "scripts.replay_trace", *arguments)

    assert (first.returncode, first.stdout.split()) == (0, ["committed", "19,366"])
    assert (again.returncode, again.stdout.split()) == (0, ["duplicate", "19,366"])
    assert len(await assert_twins(database)) == 19_366
    day = TimeWindow(date(2023, 11, 16), date(2023, 11, 16), settings.zone)
    report = await Reports(database, settings.zone).usage(ReportQuery(day))
    totals = report.totals
    assert (totals.requests, totals.tokens.input, totals.tokens.output) == (19_366, 22_361_870, 4_088_665)
    assert totals.cost == Decimal("96.791325")
    assert {hour.hour: (hour.requests, hour.input_tokens, hour.output_tokens) for hour in report.by_hour} == {
        **dict.fromkeys(range(24), (0, 0, 0)),
        18: (15_606, 18_444_477, 3_138_185),
        19: (3_760, 3_917_393, 950_480),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("TIMESTAMP,ContextTokens\n", "there is no column GeneratedTokens"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,many,4\n", "line 2: invalid literal"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,1,1\nyesterday,1,4\n", "line 3: Invalid isof"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,1\n", "line 2: int()"),
    ],
)
async def test_a_trace_that_cannot_be_read_is_said_with_its_line_and_nothing_is_stored(
    command: Command, tmp_path: Path, database: Database, text: str, said: str
) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(text)

    refused = await asyncio.to_thread(
        command, "scripts.replay_trace", str(file), "--model", "gpt-4o", "--content-type", "chat"
    )

    assert refused.returncode == 1
    assert said in refused.stderr
    assert await assert_twins(database) == set()


def test_demo_calls_are_the_same_every_time_valid_and_all_synthetic() -> None:
    until = datetime.now(UTC)
    first = until.date() - timedelta(days=2)

    calls = list(demo_calls(first, until))

    assert calls == list(demo_calls(first, until))
    assert all(AICall(**call).synthetic for call in calls)
    assert len({call["request_id"] for call in calls}) == len(calls) > 500
    assert max(call["created_at"] for call in calls) <= until
    earlier = list(demo_calls(first, until - timedelta(hours=5)))
    assert calls[: len(earlier)] == earlier
