"""What operators run, and what they are told."""

import asyncio
import re
from argparse import Namespace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import jwt
import pytest

from app.auth.api_keys import KeyRing
from app.auth.principals import Principal, Scope
from app.auth.tokens import Tokens
from app.database import Database
from app.errors import InvalidRequestError
from app.reports.query import ReportQuery
from app.reports.reports import Reports
from app.reports.windows import TimeWindow
from app.settings import Settings
from models.key_policy import KeyPolicy, OnDisconnect
from models.limits import Kind, Limit, Unit, Window
from scripts import replay_trace
from tests.scripts.conftest import Command
from tests.twins import assert_twins

TRACE = Path(__file__).parents[1] / "data" / "azure_llm_inference_2023_conv.csv"


async def test_a_token_is_printed_alone_and_holds_for_the_days_asked_for(process: Command, settings: Settings) -> None:
    made = await asyncio.to_thread(process, "scripts.create_token", "--role", "admin", "--user", "me", "--days", "2")

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
    scopes = frozenset({Scope.INGEST, Scope.READ})
    assert principal == Principal(f"key:{key.key_id}", scopes, "acme", None, key_id=key.key_id)
    assert key.expires_at is not None
    assert timedelta(days=2) - (key.expires_at - key.created_at) < timedelta(seconds=10)


async def test_a_key_of_the_gateway_is_made_with_its_policy_and_its_limits(
    command: Command, database: Database
) -> None:
    policy = ["--models", "gpt-4o*, fast", "--cache", "60", "--on-disconnect", "cancel", "--user-from-body"]
    limits = ["--limit", "10.50USD/month", "--limit", "60requests/minute", "--limit", "5concurrent"]

    made = await asyncio.to_thread(
        command, "scripts.create_api_key", "--name", "n", "--scope", "gateway", *policy, *limits
    )

    assert made.returncode == 0, made.stderr
    principal = await KeyRing(database).principal(made.stdout.strip())
    assert principal.scopes == frozenset({Scope.GATEWAY})
    assert principal.policy == KeyPolicy(
        models=("gpt-4o*", "fast"),
        cache=True,
        cache_seconds=60,
        on_disconnect=OnDisconnect.CANCEL,
        user_from_body=True,
    )
    stored = [Limit.read(each) for each in await database.writes["limits"].find().sort("_id", 1).to_list(None)]
    assert [(each.scope.key_id, each.unit, each.window, each.amount, each.kind) for each in stored] == [
        (principal.key_id, Unit.USD, Window.MONTH, Decimal("10.50"), Kind.HARD),
        (principal.key_id, Unit.REQUESTS, Window.MINUTE, Decimal(60), Kind.HARD),
        (principal.key_id, Unit.CONCURRENT, Window.LIFETIME, Decimal(5), Kind.HARD),
    ]
    assert "10.5 usd per month, 60 requests per minute, 5 concurrent per lifetime" in made.stderr


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("create_api_key", "--name n --models gpt-4o"),
        ("create_api_key", "--name n --scope gateway --models gpt-4o,"),
        ("create_api_key", "--name n --scope gateway --cache 0"),
        ("create_api_key", "--name n --scope gateway --on-disconnect wait"),
        ("create_api_key", "--name n --limit 10"),
        ("create_api_key", "--name n --limit USD/month"),
        ("create_api_key", "--name n --limit 10euros/month"),
        ("create_api_key", "--name n --limit 10USD/fortnight"),
        ("create_api_key", "--name n --limit 10USD/period"),
        ("create_api_key", "--name n --limit 1.5requests/day"),
        ("create_api_key", "--name n --limit 5concurrent/day"),
        ("create_api_key", "--name n --limit -1USD/day"),
        ("create_api_key", "--scopes ingest"),
        ("create_api_key", "--name shop --scopes king"),
        ("create_api_key", "--name shop --client *"),
        ("create_api_key", "--name= --client acme"),
        ("create_api_key", "--name shop --days 0"),
        ("create_token", "--role king --user me"),
        ("create_token", "--role admin"),
        ("create_token", ""),
        ("import_usage", "--execute"),
        ("export_usage", "--from 2026-11-02 --to 2026-11-01"),
        ("export_usage", "--output usage.parquet.gz"),
        ("import_revenue", "--execute"),
        ("import_revenue", "x.csv --preset paypal"),
        ("month_report", "2026-13 --out x.pdf"),
        ("month_report", "2026-10"),
        ("alerts_backtest", "--days 0"),
        ("alerts_backtest", "--floor-usd NaN"),
        ("seed_demo", "--days 0"),
        ("seed_demo", "--calls -1"),
    ],
)
def test_wrong_arguments_end_with_the_usage(usage: Command, name: str, arguments: str) -> None:
    refused = usage(f"scripts.{name}", *arguments.split())

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"usage: python -m scripts.{name}")


COMMANDS = sorted(
    path.parent.name if path.stem == "__main__" else path.stem
    for pattern in ("*.py", "*/__main__.py")
    for path in (Path(__file__).parents[2] / "scripts").glob(pattern)
    if "\ndef main(" in path.read_text()
)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_why_and_how(usage: Command, name: str) -> None:
    shown = usage(f"scripts.{name}", "--help")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"usage: python -m scripts.{name}")


async def test_the_recorded_trace_gives_its_exact_totals_and_once_only(
    command: Command, settings: Settings, database: Database, tmp_path: Path
) -> None:
    arguments = ["--model", "gpt-4o", "--content-type", "chat"]
    # a call is known by its file's name and its row
    beginning = tmp_path / TRACE.name
    beginning.write_text("".join(TRACE.read_text().splitlines(keepends=True)[:2_001]))

    first = await asyncio.to_thread(command, "scripts.replay_trace", str(TRACE), *arguments)
    again = await asyncio.to_thread(command, "scripts.replay_trace", str(beginning), *arguments)

    assert (first.returncode, first.stdout.split()) == (0, ["committed", "19,366"])
    assert (again.returncode, again.stdout.split()) == (0, ["duplicate", "2,000"])
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
        ("TIMESTAMP,ContextTokens\n", "missing column GeneratedTokens"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,many,4\n", "line 2: invalid literal"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,1,1\nyesterday,1,4\n", "line 3: Invalid isof"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,1\n", "line 2: int()"),
    ],
)
def test_a_trace_that_cannot_be_read_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(text)
    arguments = Namespace(
        file=file, user="u", client="default", content_type="chat", model="gpt-4o", provider=None, synthetic=False
    )

    # all rows are read before the first one is reported
    with pytest.raises(InvalidRequestError, match=re.escape(said)):
        list(replay_trace._calls(arguments))
