"""The drill of what once stopped deliveries in silence: each call is delivered, or named, within a minute."""

import asyncio
import json
import os
import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from os import kill
from pathlib import Path
from signal import SIGKILL
from typing import Any

import httpx

from app.database import connected
from app.database.mongod import EmbeddedMongod
from app.spool.journal import spool_path
from app.spool.salvage import not_salvaged
from models.rollups import DELTAS
from scripts.drill import check
from scripts.drill.calls import id_of
from scripts.drill.scene import Result, Scene, reached, under_load
from scripts.drill.server import DrillError, Server
from scripts.toolkit.command import Advance

NAMED_SECONDS = 60.0
POLL_SECONDS = 0.1
ODD_OPTIONS = "&readPreference=secondaryPreferred&readConcernLevel=local&retryWrites=false"
"""As they are in addresses that other applications use; the first one once stopped all deliveries."""
CONTRADICTING = "&w=0"
DAMAGED_ROWS = 3
SMALL_DISK = ("-t", "tmpfs", "-o", "size=16m", "tmpfs")
OTHERS = "others"
MOST_ON_A_SMALL_DISK = 2_000
CODES = {"unreadable": DAMAGED_ROWS, "damaged": 1, "deltas": 1}
"""The troubles that the first scene ends with, and of how many."""


async def stuck(folder: Path, calls: int, advance: Advance) -> Result:
    """Damaged rows, a damaged file, odd options, a junk delta, and a full disk."""
    figures, faults = await _damaged(folder, calls)
    advance(calls)
    more, others = await _full(folder / "full", min(calls, MOST_ON_A_SMALL_DISK))
    return Result({**figures, **more}, [*faults, *others])


async def _damaged(folder: Path, calls: int) -> Result:
    with EmbeddedMongod(folder) as mongod:
        refused = await _refusal(folder, mongod.uri + CONTRADICTING)
        async with under_load(Server(folder, mongod.uri + ODD_OPTIONS)) as scene:
            server, told = scene.server, scene.load.told
            kill(mongod.pid, SIGKILL)
            await reached(told, "spooled", told.statuses["spooled"] + calls)
            await scene.load.stop()
            await server.kill()
            lost = _damage(spool_path(server.settings.data_dir, server.settings.database))
            await asyncio.to_thread(mongod.stop)
            await asyncio.to_thread(mongod.start)
            async with connected(mongod.uri, server.settings.database) as database:
                await database.writes[DELTAS].insert_one({"_id": "junk", "usage": "junk"})
            server.spawn()
            await server.answers()
            began = time.monotonic()
            faults = [*refused, *await _until_named(server, CODES), *await _said_by_the_doctor(server)]
            seconds = round(time.monotonic() - began, 1)
            named = {
                line["reason"].split()[2].rstrip(":") for line in await _aside(server) if line["kind"] == "unreadable"
            }
            faults += check.named("damaged and not named", map(str, sorted(lost - named)))
            # what an operator does about it
            await server.command("scripts.spool", "drop", "--execute")
            await server.command("scripts.reconcile", "--execute")
            told.acknowledged -= {number for number in told.acknowledged if str(id_of(number)) in named}
            result = await scene.result(
                **{"damaged rows, each named": len(named), "all delivered or named, s after the start": seconds}
            )
            return Result(result.figures, [*faults, *result.faults])


async def _refusal(folder: Path, uri: str) -> list[str]:
    """A start with options that contradict what is promised must end with a sentence."""
    server = Server(folder, uri)
    server.spawn()
    try:
        await server.answers()
    except DrillError:
        await server.kill()
        said = "cannot start" in await asyncio.to_thread((folder / "server.log").read_text)
        return [] if said else [f"a start with {CONTRADICTING} gave no reason"]
    await server.stop()
    return [f"a server started with {CONTRADICTING}"]


def _damage(path: Path) -> set[str]:
    """Damage some rows, and then the page through which SQLite finds all of them. Returns the ids of those rows."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT seq, id FROM calls").fetchall()
        chosen = random.Random(len(rows)).sample(rows, DAMAGED_ROWS)
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'calls'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        for seq, _ in chosen:
            connection.execute("UPDATE calls SET pair = x'00ff' WHERE seq = ?", (seq,))
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(os.urandom(size))
    return {id_.hex() for _, id_ in chosen}


async def _until_named(server: Server, codes: dict[str, int]) -> list[str]:
    """Wait until nothing waits and `/ready` and `/metrics` name exactly these troubles."""
    ready: dict[str, Any] = {}
    until = time.monotonic() + NAMED_SECONDS
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        while time.monotonic() < until:
            ready = (await http.get(f"{server.address}/ready")).json()
            found = {trouble["code"]: trouble["count"] for trouble in ready["troubles"]}
            salvaged = await asyncio.to_thread(_is_salvaged, server)
            if found == codes and ready["status"] == "degraded" and not ready["spool"]["calls"] and salvaged:
                metrics = (await http.get(f"{server.address}/metrics")).text
                return [
                    f"/metrics does not have {code}" for code in codes if f'trouble{{code="{code}"}} 1.0' not in metrics
                ]
            await asyncio.sleep(POLL_SECONDS)
    return [f"not delivered or named within {NAMED_SECONDS:g} s: {ready['spool']}, {ready['troubles']}"]


def _is_salvaged(server: Server) -> bool:
    return not not_salvaged(spool_path(server.settings.data_dir, server.settings.database))


async def _said_by_the_doctor(server: Server) -> list[str]:
    found = json.loads(await server.command("scripts.doctor", "--json"))["checks"]
    said = {row["check"]: row["said"] for row in found if row["verdict"] == "problem"}
    wanted = ("running server", "unreadable rows", "damaged spools")
    return [f"the doctor says nothing of {name}" for name in wanted if name not in said]


async def _aside(server: Server) -> list[dict[str, str]]:
    lines: list[dict[str, str]] = json.loads(await server.command("scripts.spool", "list", "--json"))["aside"]
    return lines


async def _full(folder: Path, calls: int) -> Result:
    """The disk of the data folder is full while calls wait on it, and stays full when MongoDB is back."""
    with _small_disk(folder / "data") as mounted, EmbeddedMongod(folder) as mongod:
        if not mounted:
            return Result({"full disk": "not tried: only root may mount a small file system"}, [])
        async with under_load(Server(folder, mongod.uri)) as scene:
            return await _drained(scene, mongod, calls)


async def _drained(scene: Scene, mongod: EmbeddedMongod, calls: int) -> Result:
    kill(mongod.pid, SIGKILL)
    await reached(scene.load.told, "spooled", scene.load.told.statuses["spooled"] + calls)
    _fill_up(scene.server.settings.data_dir)
    await asyncio.to_thread(mongod.stop)
    await asyncio.to_thread(mongod.start)
    began = time.monotonic()
    result = await scene.result()
    seconds = round(time.monotonic() - began, 1)
    faults = [f"a full disk was emptied only in {seconds} s"] if seconds > NAMED_SECONDS else []
    figures = {"on a full disk, calls": result.figures["calls"], "all of them delivered, s": seconds}
    return Result(figures, [*result.faults, *faults])


@contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """A small file system at a folder; False where none may be mounted."""
    folder.mkdir(parents=True)
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or mount is None or unmount is None or _run(mount, *SMALL_DISK, str(folder)):
        yield False
        return
    (folder / OTHERS).touch()
    try:
        yield True
    finally:
        _run(unmount, "--lazy", str(folder))


def _run(*command: str) -> int:
    return subprocess.run(command, check=False, capture_output=True).returncode  # noqa: S603 - ours


def _fill_up(folder: Path) -> None:
    with (folder / OTHERS).open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4_096)
