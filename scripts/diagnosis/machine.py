"""The machine that this runs on: the data folder, the spool in it and the room for it."""

import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from app.spool.inspection import DamagedSpool, SpoolState, damaged_spools, replaying_process, spool_state
from app.spool.journal import SpoolError, spool_path
from scripts.diagnosis import words
from scripts.diagnosis.examination import in_thread
from scripts.diagnosis.finding import START, Check, Deployment, Finding, Group, notice, ok, problem

LONG_WAIT = 60.0
"""Seconds. A spool is looked at every second while MongoDB answers."""
LITTLE_LEFT = 1_000_000_000
"""Bytes of disk that a problem is about."""
PROCESSES = Path("/proc")
SPOOL = "python -m scripts.spool"


async def data_folder(deployment: Deployment) -> Finding:
    folder = deployment.settings.data_dir.absolute()
    if not await in_thread(folder.is_dir):
        said = f"no data folder {folder}"
        return notice(said, "run this where the server runs, or set TWINMETER_DATA_DIR; a first start creates it")
    return ok(str(folder))


async def spool(deployment: Deployment) -> Finding:
    path = spool_path(deployment.settings.data_dir, deployment.settings.database)
    try:
        state, holder = await in_thread(lambda: (spool_state(path), replaying_process(path)))
    except (SpoolError, OSError) as error:
        return problem(str(error), "run this as the user of the server; a damaged file is set aside at its next start")
    if state is None:
        return ok("none yet: no call ever waited")
    away = deployment.found is None
    cap = deployment.settings.spool_max_bytes
    return spool_of(state, holder, cap=cap, now=deployment.clock(), away=away)


def spool_of(state: SpoolState, holder: int | None, *, cap: int, now: datetime, away: bool) -> Finding:
    """`holder` is the process that replays, `cap` in bytes."""
    if not state.calls:
        return ok(f"no call waits; {_replayer(holder)}")
    age = 0.0 if state.oldest is None else (now - state.oldest).total_seconds()
    said = (
        f"{words.counted(state.calls, 'call')} wait{'s' if state.calls == 1 else ''}, {words.size(state.bytes)} of "
        f"{words.size(cap)}, the oldest for {words.span(age)}; {_replayer(holder)}"
    )
    if 2 * state.bytes > cap:
        return problem(said, "bring MongoDB back, or raise TWINMETER_SPOOL_MAX_MB: calls beyond it are dropped")
    if away:
        return notice(said, "they are delivered by themselves when MongoDB is back and a server runs")
    if holder is None:
        return problem(said, f"start a server on this data folder, which delivers them: {START}")
    if age > LONG_WAIT:
        return problem(said, 'the line "running server" says why, or the log of that process: trouble')
    return notice(said, "they are being delivered: look again in a minute")


async def refused(deployment: Deployment) -> Finding:
    path = spool_path(deployment.settings.data_dir, deployment.settings.database)
    try:
        state = await in_thread(lambda: spool_state(path))
    except (SpoolError, OSError) as error:
        return problem(str(error), "see the line above")
    if state is None or not state.refused:
        return ok("MongoDB accepted every call that waited")
    reasons = "; ".join(f"{reason} ({count:,})" for reason, count in state.reasons)
    said = f"{words.counted(state.refused, 'call')} set aside that MongoDB would not accept: {reasons}"
    return problem(said, f"remove the cause (a validator?), and try them again: {SPOOL} retry --execute")


async def unreadable(deployment: Deployment) -> Finding:
    path = spool_path(deployment.settings.data_dir, deployment.settings.database)
    try:
        state = await in_thread(lambda: spool_state(path))
    except (SpoolError, OSError) as error:
        return problem(str(error), "see the line above")
    if state is None or not state.unreadable:
        return ok("every row of the spool could be read")
    said = f"{words.counted(state.unreadable, 'row')} of the spool set aside that cannot be read"
    return problem(said, f"look at them, and drop them when they are of no use: {SPOOL}")


async def damaged(deployment: Deployment) -> Finding:
    found = await in_thread(lambda: damaged_spools(_folder(deployment)))
    if not found:
        return ok("no spool was ever damaged")
    said = f"{words.counted(len(found), 'damaged spool')} set aside: {words.some(map(_saved, found))}"
    return problem(said, f"when nothing is missing, or to be had, remove them: {SPOOL} drop --execute")


def _saved(spool: DamagedSpool) -> str:
    name = f"{spool.name} ({words.size(spool.bytes)})"
    if spool.salvage is None:
        return f"{name}, to be salvaged by the server"
    calls, unreadable, missing = spool.salvage.calls, spool.salvage.unreadable, spool.salvage.missing
    lost = "an unknown number" if missing is None else f"{missing:,}"
    return f"{name}, of which {words.counted(calls, 'call')} could be saved, {unreadable:,} not read, {lost} missing"


async def others(deployment: Deployment) -> Finding:
    """Spools of databases that this deployment does not use: who changes TWINMETER_DATABASE leaves one behind."""
    found = await in_thread(lambda: _waiting_elsewhere(deployment))
    if not found:
        return ok("no call waits for another database")
    said = f"calls wait here for other databases: {words.some(f'{name} ({calls:,})' for name, calls in found)}"
    return notice(said, f"start a server for each once, with TWINMETER_DATABASE set to it: {START}")


async def disk(deployment: Deployment) -> Finding:
    folder = _folder(deployment)
    usage = await in_thread(
        lambda: shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists()))
    )
    return room(usage.free, usage.total, deployment.settings.spool_max_bytes)


def room(free: int, total: int, cap: int) -> Finding:
    """Whether the spool can grow to its `cap`. All in bytes."""
    said = f"{words.size(free)} of {words.size(total)} free; the spool may take {words.size(cap)}"
    if free < min(LITTLE_LEFT, cap):
        return problem(said, "make room: calls are dropped when MongoDB is away and the disk is full")
    if free < cap:
        return notice(said, "make room, or lower TWINMETER_SPOOL_MAX_MB")
    return ok(said)


def _folder(deployment: Deployment) -> Path:
    return deployment.settings.data_dir.absolute()


def _waiting_elsewhere(deployment: Deployment) -> list[tuple[str, int]]:
    own = spool_path(_folder(deployment), deployment.settings.database)
    found = []
    for path in sorted(_folder(deployment).glob("spool-*.sqlite3")):
        with suppress(SpoolError):
            if path != own and (state := spool_state(path)) is not None and state.calls:
                found.append((path.stem.removeprefix("spool-"), state.calls))
    return found


def _replayer(holder: int | None) -> str:
    if holder is None:
        return "no process replays"
    if not holder:
        return "an unknown process replays"
    with suppress(OSError):
        words_of = (PROCESSES / str(holder) / "cmdline").read_bytes().decode(errors="replace").split("\0")
        return f"process {holder} replays ({' '.join(words_of).strip()[:60]})"
    return f"process {holder} replays"


GROUP = Group(
    "this machine",
    (
        Check("data folder", data_folder, local=True),
        Check("spool", spool, local=True),
        Check("refused calls", refused, local=True),
        Check("unreadable rows", unreadable, local=True),
        Check("damaged spools", damaged, local=True),
        Check("other spools", others, local=True),
        Check("disk", disk, local=True),
    ),
)
