"""What is well is said to be, what is wrong is said with its figures and the way out, and nothing is ever written."""

import asyncio
import fcntl
import io
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pydantic import SecretStr
from pymongo import MongoClient
from rich.console import Console

from app.auth.api_keys import KeyRing
from app.auth.principals import Scope
from app.database import Database, connected
from app.limits.counting.counters import Counters as LimitCounters
from app.limits.meters import CounterKey, Meter
from app.observability.metrics import Counters
from app.rollups.compactor import Compactor
from app.settings import Settings
from app.spool.inspection import SpoolState, replaying_process, spool_state
from app.spool.journal import Spool, SpoolError, spool_path
from app.spool.salvage import not_salvaged
from app.tracking import Tracker, open_tracker
from models.alerts import DELIVERIES
from models.counters import COUNTERS, UNCOUNTED
from models.limits import LimitFilter, Period, Unit, Window
from models.rollups import DELTAS, ERASURES, STATE, USAGE
from scripts import doctor
from scripts.diagnosis import configuration, examination, indexes, machine, page, prices, rollups, server
from scripts.diagnosis.examination import examine, opened
from scripts.diagnosis.finding import Check, Deployment, Finding, Group, Row, Verdict, ok
from scripts.toolkit import command as command_module
from scripts.toolkit.job import CHECKPOINTS
from tests.ledger.test_ledger import pair
from tests.patience import until
from tests.scripts.conftest import Command
from tests.scripts.jobs import dump
from tests.spool.spools import waiting
from tests.twins import entries, events

OK, NOTICE, PROBLEM, UNCHECKED = Verdict.OK, Verdict.NOTICE, Verdict.PROBLEM, Verdict.UNCHECKED
SECRET = "8c1f0a9be7d64325b1c09d7e6fa25384"
CALL = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "input_tokens": 1_000, "output_tokens": 10}
DAY = timedelta(days=1)
INDEXES = sum(map(len, indexes.declared_indexes().values()))

Found = dict[str, Finding]


@pytest.fixture
def roomy_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """However full the disk is on which the tests run; the rule is tested with figures of its own."""
    monkeypatch.setattr(server, "LITTLE_LEFT", 0.0)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Those of a deployment that is well."""
    return settings.model_copy(update={"jwt_secret": SecretStr(SECRET), "rate_limit": 100, "spool_max_mb": 1})


@pytest.fixture
async def house(settings: Settings, database: Database) -> AsyncIterator[tuple[Database, Tracker, Compactor]]:
    """Three calls, of today, yesterday and forty days ago, all of them merged."""
    async with (
        open_tracker(settings, database, Counters(), compacting=False) as tracker,
        database.committer_session() as session,
    ):
        compactor = Compactor(database, session)
        await report(tracker, *({"created_at": datetime.now(UTC) - days * DAY} for days in (0, 1, 40)))
        await compactor.merge_all()
        await compactor.stop()
        yield database, tracker, compactor


async def report(tracker: Tracker, *calls: dict[str, Any]) -> None:
    for call in calls:
        assert (await tracker.track(**CALL | call)).status == "committed"


async def examined(settings: Settings, *, seconds: float = 60.0, ahead: timedelta = timedelta()) -> Found:
    """What every check says. `ahead` is how far this machine's clock is."""
    async with opened(settings, seconds) as deployment:
        deployment.clock = lambda: datetime.now(UTC) + ahead
        rows = await examine(deployment, doctor.GROUPS)
    assert len({row.check for row in rows}) == len(rows)
    return {row.check: row.finding for row in rows}


def of(found: Found, verdict: Verdict) -> set[str]:
    return {check for check, finding in found.items() if finding.verdict is verdict}


def files(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("roomy_disk")
async def test_a_deployment_that_is_well_is_well_in_every_point_and_nothing_is_written(
    house: tuple[Database, Tracker, Compactor], settings: Settings
) -> None:
    before, folder = await dump(house[0]), files(settings.data_dir)

    found = await examined(settings)

    assert {check: finding for check, finding in found.items() if finding.verdict is not OK} == {}
    assert (await dump(house[0]), files(settings.data_dir)) == (before, folder)
    today = datetime.now(UTC).date()
    days = ", ".join(str(today - back * DAY) for back in (40, 1, 0))
    said = {check: finding.said for check, finding in found.items()}
    patterns = {
        "connection": rf"127\.0\.0\.1:\d+ answers, and the database {settings.database} can be read",
        "version": r"MongoDB \d+\.\d+\.\d+; 6\.0 or later is needed",
        "majority": r"1 of 1 member well, where a majority is 1, and \d+ s behind the primary",
        "sizes": r"\d+ documents, \d+\.\d kB, on disk .* of indexes; .* free",
        "clock": r"the server's clock is 0\.0\d\d s (behind|ahead of) this machine's \(round trip \d+\.\d ms\)",
        "disk": r".* GB of .* GB free; the spool may take 1\.0 MB",
        "invariants": rf"3 of 3 sampled days \(3 entries and \d+ cells\) agree to the digit: {days}",
    }
    assert {check for check, pattern in patterns.items() if not re.fullmatch(pattern, said.pop(check))} == set()
    assert said == {
        "topology": "the replica set twinmeter of 1 member, which has transactions",
        "storage engine": "wiredTiger, with a journal",
        "collections": f"all {len(indexes.declared_collections())} are there",
        "format": "format 1 or earlier, which this release reads",
        "indexes": f"all {INDEXES} are there, and no other",
        "time zone": "days are counted in UTC, as TWINMETER_TIMEZONE says",
        "completeness": "the rollups hold the whole ledger",
        "freshness": "no delta waits; no process merges now",
        "unread deltas": "every delta can be read",
        "damaged documents": "none in any collection, among calls in the last 30 days",
        "trailing totals": "totals of the last 7, 30, 60 and 90 days, where kept, are what the days sum to",
        "unpriced": "each of 2 calls in 30 days has a cost",
        "estimated": "no cost of 30 days is based on estimated tokens",
        "impossible pairs": "every model of 30 days was reported with a provider that sells it",
        "unmapped types": "every content type of 30 days belongs to a feature",
        "unreadable usage": "the usage of every response of 30 days could be read",
        "folded names": "no name of 30 days is beyond the cap of its client",
        "future calls": "no call is dated in the future",
        "late calls": "no call of 30 days was reported more than 90 days after its date",
        "synthetic calls": "no synthetic calls",
        "price tables": "genai-prices 0.2.3 of 2026-11, media 2026-11 of 2026-11",
        "data folder": str(settings.data_dir),
        "spool": "no call waits; no process replays",
        "refused calls": "MongoDB accepted every call that waited",
        "running server": "not asked: it takes any free port",
        "unreadable rows": "every row of the spool could be read",
        "damaged spools": "no spool was ever damaged",
        "other spools": "no call waits for another database",
        "signing secret": "TWINMETER_JWT_SECRET has 32 bytes",
        "demo data": "reports leave out demo data",
        "rate limit": "100 requests per second for each caller",
        "own MongoDB": "TWINMETER_MONGODB_URI is set",
        "identity provider": "none: only our own secret signs tokens",
        "files": "none are set: features and estimates are built in",
        "key expiry": "no API keys",
        "unused keys": "no API key older than 30 days was never used",
        "interrupted runs": "no command was interrupted",
        "erasures": "none is running",
        "counting": "3 transactions to be counted",
        "counters": "there is none",
        "alerts": "no delivery is late, and none has failed",
    }


async def damage(database: Database, settings: Settings, now: datetime) -> ObjectId:
    """One thing of every kind. Returns the id of a call of the year 2099."""
    await database.ledger.drop_index("newest")
    await database.writes[USAGE].drop_index("window")
    await database.writes[USAGE].create_index("_id.scope", name="window")
    oldest = min(await events(database), key=lambda event: event["createdAt"])
    await database.events.delete_one({"_id": oldest["_id"]})
    await database.writes[USAGE].update_one({"_id.feature": "haiku", "_id.scope": "*"}, {"$inc": {"requests": 3}})
    await database.writes[DELTAS].update_one({}, {"$set": {"at": now - timedelta(hours=3)}})
    later = ObjectId()
    both = ((database.ledger, await entries(database)), (database.events, await events(database)))
    for collection, (one, *_) in both:
        await collection.insert_one(one | {"_id": later, "createdAt": datetime(2099, 1, 1, tzinfo=UTC)})
    run = {"_id": {"script": "reprice"}, "done": 4_000, "at": datetime(2026, 11, 1, 9, 30, tzinfo=UTC)}
    await database.writes[CHECKPOINTS].insert_one(run)
    await database.writes[ERASURES].insert_one({"user": "u"})
    (settings.data_dir / f"spool-{settings.database}.sqlite3.damaged-20261101T0930").write_bytes(b"x" * 1_200)
    other = Spool.of(settings.data_dir, "old-shop", 10_000_000)
    other.append([pair()])
    other.close()
    return later


async def make_keys(database: Database, now: datetime) -> list[str]:
    """One that ended a day ago in use, one that was never used, and one that was revoked."""
    ids = []
    for name, made, ends in (("shop", 10, now - DAY), ("idle", 50, None), ("gone", 90, now - DAY)):
        ring = KeyRing(database, partial(datetime.fromtimestamp, (now - made * DAY).timestamp(), UTC))
        key, _ = await ring.create(client="acme", scopes=[Scope.READ], name=name, expires_at=ends, created_by="me")
        ids.append(key.key_id)
    await KeyRing(database).revoke(ids[2], None)
    used = {"$set": {"lastUsedAt": now - DAY - timedelta(minutes=5)}}
    await database.writes["api_keys"].update_one({"keyId": ids[0]}, used)
    return ids


@pytest.mark.usefixtures("roomy_disk")
async def test_everything_that_is_wrong_is_found_with_its_figures_and_the_way_out(
    house: tuple[Database, Tracker, Compactor], settings: Settings
) -> None:
    database, tracker, compactor = house
    now = datetime.now(UTC)
    await report(
        tracker,
        {"model": "of-nobody", "provider": "acme"},
        {"provider": "google"},
        {"content_type": "haiku"},
        {"unreadable_usage": True},
        {"synthetic": True},
        {"input_tokens": None, "output_tokens": None, "input_text": "how are you"},
    )
    await compactor.merge_all()
    await compactor.stop()
    await report(tracker, {})
    later = await damage(database, settings, now)
    await until(lambda: not not_salvaged(spool_path(settings.data_dir, settings.database)))
    shop, idle, _ = await make_keys(database, now)
    before, folder = await dump(database), files(settings.data_dir)

    found = await examined(settings.model_copy(update={"show_synthetic": True, "rate_limit": 0}))

    assert (await dump(database), files(settings.data_dir)) == (before, folder)
    today, far = now.date(), (now - 40 * DAY).date()
    assert found["estimated"] == ok("1 of 8 calls in 30 days (12.50 %) are based on estimated tokens: gpt-4o (1)")
    invariants = found.pop("invariants")
    assert re.fullmatch(
        r"2 differences on 2 days \(cell 1, event missing 1\), in 3 of 3 sampled days \(10 entries and \d+ cells\); "
        rf"the first: {today} cell rollup_usage .*haiku.*: requests 4, not 1",
        invariants.said,
    )
    assert invariants.advice == (
        f"python -m scripts.reconcile --from {far} --to {today} shows them all; with --execute it repairs them"
    )
    wrong = {check: finding for check, finding in found.items() if finding.verdict is not OK}
    assert {check for check, finding in wrong.items() if not finding.advice} == set()
    assert of(found, PROBLEM) == {"indexes", "freshness", "unpriced", "damaged spools", "demo data", "key expiry"}
    assert {check: finding.said for check, finding in wrong.items()} == {
        "indexes": f"of {INDEXES} indexes, 1 missing: aiusages.newest; 1 defined differently: rollup_usage.window: "
        "reports read whole collections",
        "freshness": "1 delta waits to be merged, the oldest for 3 h; no process merges now",
        "unpriced": "1 of 8 calls in 30 days (12.50 %) have no cost: of-nobody at acme (1)",
        "impossible pairs": "1 impossible pair of provider and model: gpt-4o at google (1); "
        "counted under the provider that sells the model",
        "unmapped types": "1 content type without a feature, each counted as its own: haiku (1)",
        "unreadable usage": "1 call in 30 days whose usage could not be read from the response",
        "future calls": f"1 call dated in the future, the last 2099-01-01T00:00:00+00:00 ({later})",
        "synthetic calls": "1 synthetic call, counted in every report",
        "damaged spools": "1 damaged spool set aside: "
        f"spool-{settings.database}.sqlite3.damaged-20261101T0930 (1.2 kB), of which 0 calls could be saved, "
        "0 not read, an unknown number missing",
        "other spools": "calls wait here for other databases: old-shop (1)",
        "demo data": "TWINMETER_SHOW_SYNTHETIC is true: demo data counts in every report",
        "rate limit": "TWINMETER_RATE_LIMIT is 0: one caller may use up the whole server",
        "key expiry": f"of 2 API keys, 1 expired while in use: {shop} (shop of acme), {now - DAY:%Y-%m-%d}",
        "unused keys": f"1 of 2 API keys were never used: {idle} (idle of acme), created {now - 50 * DAY:%Y-%m-%d}",
        "interrupted runs": "1 interrupted run: scripts.reprice at 2026-11-01 09:30 UTC after 4,000",
        "erasures": "1 erasure not finished: the id of a person stays in the collection erasures",
    }


async def test_another_zone_and_clock_are_said_and_what_needs_the_rollups_is_not_guessed(
    house: tuple[Database, Tracker, Compactor], settings: Settings
) -> None:
    database, *_ = house
    await database.ledger.create_index("campaignId", name="ours")

    berlin = Settings(_env_file=None, **settings.model_dump(exclude={"timezone"}), timezone="Europe/Berlin")
    found = await examined(berlin, ahead=timedelta(seconds=-30))

    assert found["time zone"].said == (
        "days are counted in UTC, but TWINMETER_TIMEZONE is Europe/Berlin: every report answers 503"
    )
    assert found["time zone"].advice == "set it back, or rebuild the rollups: python -m scripts.rebuild_rollups"
    assert (found["completeness"].verdict, found["invariants"].verdict) == (OK, OK)
    assert re.match(r"the server's clock is (30\.0|29\.9)\d\d s ahead of this machine's", found["clock"].said)
    assert found["clock"].verdict is PROBLEM
    assert found["indexes"].said == f"all {INDEXES} are there, and others that cost every write: aiusages.ours"
    assert found["indexes"].advice.endswith('for instance db.aiusages.dropIndex("ours")')
    unknown = of(found, UNCHECKED)
    assert unknown >= {"unpriced", "estimated", "impossible pairs", "unmapped types"}
    assert {found[check].said[:47] for check in unknown} == {"the rollups count days in UTC, but TWINMETER_TI"}
    await database.writes[STATE].update_one({"_id": "rollups"}, {"$set": {"complete": False}})
    incomplete = await examined(settings)
    assert incomplete["completeness"].said == "the ledger is older than its rollups: every report answers 503"
    assert incomplete["completeness"].advice == "build them: python -m scripts.rebuild_rollups"
    upgraded = {"$set": {"complete": True}, "$unset": {"tagged": ""}}
    await database.writes[STATE].update_one({"_id": "rollups"}, upgraded)
    assert "campaigns and experiments are counted anew" in (await examined(settings))["completeness"].said
    assert incomplete["invariants"].verdict is UNCHECKED


async def test_of_limits_what_does_not_agree_and_what_nobody_does_is_a_problem(
    house: tuple[Database, Tracker, Compactor], settings: Settings
) -> None:
    database, ago = house[0], datetime.now(UTC) - timedelta(minutes=11)
    day = Period(*(datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + n * DAY for n in (0, 1)))
    key = CounterKey(Meter("user:u", Unit.REQUESTS, LimitFilter(), Window.DAY), day)
    await LimitCounters(database).ensure([key])
    assert (await examined(settings))["counters"].said == (
        "1 counter as the ledger says, to the digit, and as reservations do"
    )
    await database.writes[COUNTERS].update_one({}, {"$inc": {"used": 4, "held": 1}})
    await database.writes[UNCOUNTED].update_many({}, {"$set": {"at": ago}})
    await database.writes[DELIVERIES].insert_one({"_id": "d", "state": "pending", "dueAt": ago, "createdAt": ago})

    found = await examined(settings)
    await database.writes[DELIVERIES].update_one({}, {"$set": {"state": "failed"}})
    later = await examined(settings)

    assert {name: found[name].verdict for name in ("counting", "counters", "alerts")} == dict.fromkeys(
        ("counting", "counters", "alerts"), PROBLEM
    )
    assert found["counting"].said.startswith("3 transactions wait to be counted, the oldest since ")
    assert found["counters"].said == f"2 differences in 1 counter; the first: counter {key.id}: 4 used, not 0"
    assert found["alerts"].said == "1 delivery of alerts should have been sent ten minutes ago"
    assert (later["alerts"].verdict, later["alerts"].said) == (NOTICE, "1 delivery of alerts failed for good in 7 days")


async def test_a_database_on_which_nothing_was_started_is_said_and_not_made(
    settings: Settings, database: Database
) -> None:
    other = settings.model_copy(update={"database": f"{settings.database}_no", "data_dir": settings.data_dir / "none"})

    found = await examined(other)

    count = len(indexes.declared_collections())
    said = f"{count} of {count} collections are missing: aiusages, alert_mutes, alerts and {count - 3} more"
    assert found["collections"].said == said
    assert found["indexes"].said.startswith(
        f"of {INDEXES} indexes, {INDEXES} missing: aiusages.campaignId_newest, aiusages.client_newest, "
    )
    assert found["time zone"].said == "no rollups: nothing has been started on this database yet"
    assert found["invariants"] == ok("no day to check yet")
    assert found["data folder"].said == f"no data folder {settings.data_dir}/none"
    assert not other.data_dir.exists()
    assert other.database not in await database.writes.client.list_database_names()


async def test_while_mongodb_is_away_this_machine_and_the_settings_are_looked_at(settings: Settings) -> None:
    spool = Spool.of(settings.data_dir, settings.database, 1_000_000)
    spool.append([pair(), pair()])
    size = spool.depth().bytes
    (settings.data_dir / "jwt_secret").write_text(SECRET)
    (settings.data_dir / "jwt_secret").chmod(0o644)
    before = files(settings.data_dir)
    away = settings.model_copy(update={"mongodb_uri": SecretStr("mongodb://127.0.0.1:1"), "jwt_secret": None})

    found = await examined(away, seconds=0.3)

    assert files(settings.data_dir) == before
    spool.close()
    said = {check: finding.said for check, finding in found.items() if finding.verdict in {NOTICE, PROBLEM}}
    waited = re.sub("for [0-9]+ days", "for N days", said.pop("spool"))
    assert waited == f"2 calls wait, {size / 1_000:.1f} kB of 1.0 MB, the oldest for N days; no process replays"
    assert found["spool"].advice == "they are delivered by themselves when MongoDB is back and a server runs"
    assert said == {
        "connection": "MongoDB at 127.0.0.1:1 cannot be reached (connection refused)",
        "signing secret": f"{settings.data_dir}/jwt_secret can be read by others, who can impersonate anyone with it",
    }
    assert {found[check].said for check in of(found, UNCHECKED)} == {"MongoDB is away"}
    assert of(found, OK) >= {"data folder", "disk", "refused calls", "price tables", "files", "rate limit"}


async def test_without_a_mongodb_none_is_started(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "empty"

    found = await examined(settings.model_copy(update={"mongodb_uri": None, "data_dir": folder}))

    assert found["connection"].said == (
        "No MongoDB is configured, and none runs in the data folder: set TWINMETER_MONGODB_URI."
    )
    assert found["own MongoDB"].verdict is NOTICE
    assert not folder.exists()


async def test_a_user_who_may_only_read_is_enough_and_what_it_may_not_look_at_is_said(
    settings: Settings, guarded_uri: str
) -> None:
    name = settings.database
    async with (
        connected(guarded_uri, name) as database,
        open_tracker(settings, database, Counters(), compacting=False) as tracker,
    ):
        await report(tracker, {})
        before = await dump(database)
        with MongoClient[dict[str, Any]](guarded_uri) as root:
            for user, role in (("looker", {"role": "read", "db": name}), ("other", {"role": "read", "db": "other"})):
                root.admin.command("createUser", f"{user}_{name}", pwd="secret", roles=[role])

        found = await examined(of_user(settings, guarded_uri, f"looker_{name}:secret"))
        other = await examined(of_user(settings, guarded_uri, f"other_{name}:secret"))
        wrong = await examined(of_user(settings, guarded_uri, f"looker_{name}:wrong"))

        assert await dump(database) == before
        await database.writes.client.drop_database(name)
    assert of(found, PROBLEM) == {"topology"}
    assert found["topology"].said == "a standalone server: a kill between the two writes of a call leaves one"
    assert of(found, UNCHECKED) == {"majority", "storage engine"}
    assert found["storage engine"].said.startswith("the user may not: not authorized on admin to execute command")
    assert found["invariants"].said.startswith("1 of 1 sampled day (1 entry and ")
    assert found["unpriced"] == ok("each of 1 call in 30 days has a cost")
    assert other["connection"].said == f"the user of TWINMETER_MONGODB_URI may not read the database {name}"
    assert (other["invariants"].verdict, other["spool"].verdict) == (UNCHECKED, OK)
    assert wrong["connection"].said == "MongoDB does not take the user and password of TWINMETER_MONGODB_URI"


def of_user(settings: Settings, uri: str, user: str) -> Settings:
    return settings.model_copy(update={"mongodb_uri": SecretStr(uri.replace("root:secret", user))})


async def test_a_check_that_hangs_or_fails_stops_no_other(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(_: Deployment) -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    async def slow(deployment: Deployment) -> Finding:
        await deployment.database.reads["aiusages"].insert_one({})
        await deployment.database.reads["aiusages"].find_one({"$where": "sleep(5000) || true"})
        raise AssertionError

    async def fails(_: Deployment) -> Finding:
        raise KeyError("x")

    async def well(_: Deployment) -> Finding:
        return ok("well")

    monkeypatch.setattr(examination, "GRACE_SECONDS", 0.2)
    checks = tuple(Check(check.__name__, check) for check in (hangs, slow, fails, well))
    deployment = Deployment(settings, database, ok(""), seconds=0.1)

    rows = await examine(deployment, [Group("all", checks)])

    assert [row.finding.verdict for row in rows] == [NOTICE, NOTICE, PROBLEM, OK]
    assert [row.finding.said for row in rows[:3]] == [
        "could not be determined within 0.1 s",
        "could not be determined within 0.1 s",
        "the check itself failed: KeyError: 'x'",
    ]


def test_a_spool_is_read_beside_its_process_after_its_end_and_after_a_kill_and_is_left_as_it_was(
    tmp_path: Path,
) -> None:
    spool = Spool.of(tmp_path, "shop", 1_000_000)
    spool.append([pair(), pair(), pair()])
    first, second, _ = waiting(spool)
    spool.settle([second.id], {first.id: "a validator"})
    depth, reported = spool.depth(), pair().entry["recordedAt"]
    wanted = SpoolState(1, depth.bytes, reported, 1, [("a validator", 1)])
    killed = tmp_path / "killed"
    shutil.copytree(tmp_path, killed)

    for folder in (tmp_path, killed):
        before = files(folder)
        assert spool_state(folder / "spool-shop.sqlite3") == wanted
        assert files(folder) == before
    spool.shrink()
    assert spool_state(spool.path) == wanted
    spool.close()
    before = files(tmp_path)
    assert spool_state(spool.path) == wanted
    assert files(tmp_path) == before
    (killed / "spool-shop.sqlite3-shm").unlink()
    with pytest.raises(SpoolError, match="has a journal that must be read in first"):
        spool_state(killed / "spool-shop.sqlite3")
    spool.path.write_bytes(b"no spool" * 1_000)
    with pytest.raises(SpoolError, match="cannot be read: file is not a database"):
        spool_state(spool.path)


def test_who_replays_is_told_by_the_lock(tmp_path: Path) -> None:
    path, lock = tmp_path / "spool-shop.sqlite3", tmp_path / "spool-shop.lock"
    assert replaying_process(path) is None
    with lock.open("wb") as held:
        assert replaying_process(path) is None
        fcntl.flock(held, fcntl.LOCK_EX)
        assert replaying_process(path) == os.getpid()
    assert replaying_process(path) is None


@pytest.mark.parametrize(
    ("free", "verdict", "said"),
    [
        (9_000_000_000, OK, "9.0 GB of 90.0 GB free"),
        (8_999_999_999, NOTICE, "9.0 GB of 90.0 GB free"),
        (1_800_000_000, NOTICE, "1.8 GB of 90.0 GB free"),
        (1_799_999_999, PROBLEM, "1.8 GB of 90.0 GB free"),
    ],
)
def test_a_disk_that_fills_up_is_said(free: int, verdict: Verdict, said: str) -> None:
    found = server.room_on(free, 90_000_000_000)

    assert (found.verdict, found.said, bool(found.advice)) == (verdict, said, verdict is not OK)


NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MEMBERS = [{"name": f"m{n}:27017", "state": state, "stateStr": "X", "health": 1} for n, state in enumerate((1, 2, 2))]
DOWN = {"state": 8, "stateStr": "(not reachable/healthy)", "health": 0}


def spooled(*, calls: int = 5, size: int = 5_000, seconds: int = 5) -> SpoolState:
    return SpoolState(calls, size, NOW - timedelta(seconds=seconds), 0, [])


@pytest.mark.parametrize(
    ("finding", "verdict", "said"),
    [
        (machine.spool_of(spooled(), 0, cap=10**6, now=NOW, away=False), NOTICE, "5 calls wait, 5.0 kB of 1.0 MB, "),
        (machine.spool_of(spooled(seconds=90), 0, cap=10**6, now=NOW, away=False), PROBLEM, "5 calls wait, "),
        (machine.spool_of(spooled(), None, cap=10**6, now=NOW, away=False), PROBLEM, "5 calls wait, "),
        (machine.spool_of(spooled(size=600_000), 0, cap=10**6, now=NOW, away=True), PROBLEM, "5 calls wait, 600.0 kB "),
        (machine.room(2 * 10**9, 9 * 10**10, 10**9), OK, "2.0 GB of 90.0 GB free; the spool may take 1.0 GB"),
        (machine.room(2 * 10**9, 9 * 10**10, 10**10), NOTICE, "2.0 GB of 90.0 GB free; the spool may take 10.0 GB"),
        (machine.room(9 * 10**8, 9 * 10**10, 10**9), PROBLEM, "900.0 MB of 90.0 GB free; the spool may take 1.0 GB"),
        (
            server.members_well({"members": MEMBERS}, 0),
            OK,
            "3 of 3 members well, where a majority is 2, and 0 s behind",
        ),
        (
            server.members_well({"members": [*MEMBERS[:2], MEMBERS[2] | DOWN]}, 0),
            NOTICE,
            "2 of 3 members well, where a majority is 2; not well: m2:27017 ((not reachable/healthy))",
        ),
        (
            server.members_well({"members": [MEMBERS[0], *(m | DOWN for m in MEMBERS[1:])]}, 0),
            PROBLEM,
            "1 of 3 members",
        ),
        (rollups.freshness_of(3, 4.0, True, "x"), OK, "3 deltas wait to be merged, the oldest for 4.0 s; x"),
        (rollups.freshness_of(3, 40.0, True, "x"), NOTICE, "3 deltas wait to be merged, the oldest for 40.0 s; x"),
        (rollups.freshness_of(3, 4_000.0, False, "x"), PROBLEM, "3 deltas wait to be merged, the oldest for 67 min; x"),
        (prices.age_of({"a 1": date(2026, 8, 22)}, NOW.date()), OK, "a 1 of 2026-08"),
        (prices.age_of({"a 1": date(2026, 8, 1)}, NOW.date()), NOTICE, "a 1 of 2026-08: a 1 is older than 92 days"),
        (prices.age_of({"a 2": None}, NOW.date()), NOTICE, "a 2 of an unknown month: a 2 is older"),
        (configuration.secret_of(SecretStr("0123456789abcdef" * 2)), PROBLEM, "TWINMETER_JWT_SECRET can be guessed"),
        (configuration.secret_of(SecretStr("my-very-own-secret-that-is-long-")), PROBLEM, "TWINMETER_JWT_SECRET can"),
        (configuration.secret_of(SecretStr("a1" * 15 + "a2")), PROBLEM, "TWINMETER_JWT_SECRET can be guessed"),
    ],
)
def test_where_a_figure_becomes_a_notice_or_a_problem(finding: Finding, verdict: Verdict, said: str) -> None:
    assert (finding.verdict, finding.said[: len(said)]) == (verdict, said)


def test_the_price_table_that_is_installed_is_one_whose_month_is_known() -> None:
    assert None not in prices.installed().values()


def test_the_page_shows_what_needs_somebody_first_with_what_to_do() -> None:
    rows = [
        Row("MongoDB", "version", ok("MongoDB 8.0.1")),
        Row("MongoDB", "sizes", Finding(UNCHECKED, "MongoDB is away")),
        Row("calls", "unpriced", Finding(NOTICE, "3 [b] calls", "set a price")),
        Row("settings", "demo data", Finding(PROBLEM, "it counts", "set it to false")),
    ]
    written = io.StringIO()
    page.shown(rows, "twinmeter", Console(file=written, width=80))

    lines = [line.rstrip().rstrip("─").rstrip() for line in written.getvalue().splitlines()]
    assert lines == [
        "twinmeter",
        "1 problem, 1 notice, 1 ok, 1 not checked",
        "",
        "problems",
        " ✗ demo data         it counts",
        "                     → set it to false",
        "",
        "notices",
        " ! unpriced          3 [b] calls",
        "                     → set a price",
        "",
        "well",
        "   MongoDB",
        " ✓ version           MongoDB 8.0.1",
        "",
        "not checked",
        " ? MongoDB is away: sizes",
    ]
    assert [doctor.status(rows), doctor.status(rows[:2])] == [3, 0]


@pytest.mark.usefixtures("house")
async def test_the_command_ends_with_zero_where_all_is_well(command: Command) -> None:
    well = {"TWINMETER_RATE_LIMIT": "100", "TWINMETER_SPOOL_MAX_MB": "1", "TWINMETER_PORT": "0"}

    done = await asyncio.to_thread(command, "scripts.doctor", "--json", "--seconds", "60", **well)

    answer = json.loads(done.stdout)
    verdicts = {check["check"]: check["verdict"] for check in answer["checks"]}
    assert len(verdicts) == sum(len(group.checks) for group in doctor.GROUPS)
    full = {"sizes"} - {check for check in verdicts if verdicts[check] == "ok"}  # the disk of the machine that tests
    assert {check for check in verdicts if verdicts[check] != "ok"} == full
    assert (done.returncode, done.stderr, answer["ok"]) == (3 if full else 0, "", len(verdicts) - len(full))
    assert answer["checks"][1]["said"].endswith("; 6.0 or later is needed")


def test_settings_that_do_not_hold_end_it_with_one_and_no_secret_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TWINMETER_JWT_SECRET", "hunter2")
    monkeypatch.setattr(sys, "argv", ["doctor"])
    monkeypatch.setattr(command_module, "configure_logging", lambda _: None)

    assert doctor.main() == 1

    said = capsys.readouterr().err
    assert "must have at least 32 bytes" in said
    assert "hunter2" not in said
