"""Run twinmeter with thirteen months of generated calls, a trickle of new ones, and a gateway to a stand-in.

The history is that of `seed_demo --story`: it grows, and has a new model, one without a price, an incident, and a
script that ran away. New calls come at the pace of its last days, and go through the tracker like any other. All are
marked synthetic, and live in a database of their own (`twinmeter_demo` unless TWINMETER_DATABASE says otherwise). The
stand-in for providers (`scripts.provider`) runs in this process: clients of OpenAI, Anthropic and Gemini are answered
without a network.
"""

import asyncio
import os
import random
import sys
from datetime import UTC, datetime, timedelta

import uvloop

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import connected
from app.database.deployment import mongodb
from app.database.mongod_binary import MongodError
from app.errors import AppError
from app.observability.logs import configure_logging
from app.server import serve
from app.setting_words import settings_here
from app.settings import Settings
from app.tracking import track_ai_request
from scripts.seed_demo import SeedDemo, plan
from scripts.toolkit import command
from scripts.toolkit.call_store import storing
from scripts.toolkit.demo_calls import demo_call
from scripts.toolkit.demo_definitions import define_demo
from scripts.toolkit.demo_gateway import demo_gateway, demo_key
from scripts.toolkit.demo_money import add_money
from scripts.toolkit.job import run_job

DATABASE = "twinmeter_demo"
DAYS = 396
"""Thirteen months, so that every month of a year has one before it."""
CALLS = 80_000
TOKEN_DAYS = 30
SECONDS_OF_DAY = 86_400


def main() -> int:
    command.parser("demo", __doc__).parse_args()
    try:
        settings = _demo_settings()
        configure_logging("warning")
        with mongodb(settings, shared=False) as uri:
            uvloop.run(_demo(settings, uri))
    except (AppError, MongodError) as error:
        sys.stderr.write(f"the demo cannot start: {error}\n")
        return command.FAILED
    return 0


def _demo_settings() -> Settings:
    os.environ.setdefault("TWINMETER_DATABASE", DATABASE)
    return settings_here(show_synthetic=True)


async def _demo(settings: Settings, uri: str) -> None:
    key = await _fill(settings, uri)
    async with demo_gateway(settings) as with_gateway:
        await serve(with_gateway, uri, lambda address: _welcome(settings, address, key))


async def _fill(settings: Settings, uri: str) -> str:
    """The history, and a key for the gateway."""
    async with connected(uri, settings.database) as database, storing(database, settings, execute=True) as store:
        history = plan(DAYS, CALLS, tells=True)
        await run_job(SeedDemo(store, history), database, execute=True, restart=True)
        await add_money(database, settings, history)
        await define_demo(database, settings)
        return await demo_key(database)


async def _welcome(settings: Settings, address: str, key: str) -> None:
    token = Tokens.of(settings).issue("demo", Role.ADMIN, timedelta(days=TOKEN_DAYS))
    sys.stdout.write(
        f"\ntwinmeter answers at {address}, with demo data shown and labelled as such\n\n"
        f"the dashboard is at {address}/admin; sign in with this token:\n{token}\n\n"
        f"try it:\ncurl -H 'Authorization: Bearer {token}' '{address}/api/admin/ai/usage?days=7'\n\n"
        f"call a model through the gateway, with any client of OpenAI (a stand-in answers here):\n"
        f"export OPENAI_BASE_URL={address}/v1 OPENAI_API_KEY={key}\n\n"
        f"commands beside it need its database: export TWINMETER_DATABASE={settings.database}\n"
        "Ctrl-C stops it; the data stays.\n"
    )
    sys.stdout.flush()
    await _trickle()


async def _trickle() -> None:
    rng = random.Random()
    while True:
        today = plan(DAYS, CALLS, tells=True)
        await asyncio.sleep(rng.expovariate(today.calls_of_last_day / SECONDS_OF_DAY))
        await track_ai_request(**demo_call(rng, datetime.now(UTC), today.story))


if __name__ == "__main__":
    sys.exit(main())
