"""MongoDB itself: version, topology, majority, storage and clock."""

from datetime import datetime
from typing import Any

from pymongo.errors import OperationFailure

from app.database.connection import STANDALONE_ADVICE
from app.database.start_failures import Code
from scripts.diagnosis import words
from scripts.diagnosis.finding import Check, Deployment, Finding, Group, notice, ok, problem, unchecked

LEAST_VERSION = (6, 0)
"""The first with $documents in $unionWith, which the views need."""
MAJORITY_LAG = 20.0
"""Seconds. A primary writes every ten at least, so that a majority that is well is never further behind."""
CLOCK_NOTICE, CLOCK_PROBLEM = 2.0, 10.0
"""Seconds. Beyond the second, tokens and keys end at another time than they say."""
ROUND_TRIPS = 5
PRIMARY, SECONDARY = 1, 2
LITTLE_LEFT = 0.1
"""Of a disk that is worth a look; a fifth of it is a problem."""

Document = dict[str, Any]


async def connection(deployment: Deployment) -> Finding:
    """Whether it answers and may be read, as found when connecting."""
    return deployment.connection


async def version(deployment: Deployment) -> Finding:
    built = await admin(deployment, "buildInfo")
    if tuple(built["versionArray"][:2]) < LEAST_VERSION:
        return problem(f"MongoDB {built['version']} is too old: 6.0 or later is needed", "upgrade the server")
    return ok(f"MongoDB {built['version']}; 6.0 or later is needed")


async def topology(deployment: Deployment) -> Finding:
    hello = await admin(deployment, "hello")
    if hello.get("msg") == "isdbgrid":
        return ok("a sharded cluster, which has transactions")
    if "setName" not in hello:
        return problem("a standalone server: a kill between the two writes of a call leaves one", STANDALONE_ADVICE)
    members = words.counted(len(_members(hello)), "member")
    return ok(f"the replica set {hello['setName']} of {members}, which has transactions")


async def majority(deployment: Deployment) -> Finding:
    """Whether writes can be acknowledged by a majority: how far that one is behind, and which members are well."""
    hello = await admin(deployment, "hello")
    if "setName" not in hello:
        return unchecked("only a replica set has a majority")
    last = hello["lastWrite"]
    behind = (last["lastWriteDate"] - last["majorityWriteDate"]).total_seconds()
    if behind > MAJORITY_LAG:
        said = f"a majority is {words.span(behind)} behind the primary: calls cannot be committed, and go to the spool"
        return problem(said, "start the members that are down: rs.status() names them")
    try:
        status = await admin(deployment, "replSetGetStatus")
    except OperationFailure as error:
        if error.code != Code.NOT_AUTHORIZED:
            raise
        return ok(f"a majority is {behind:.0f} s behind the primary; single members need the role clusterMonitor")
    return members_well(status, behind)


def members_well(status: Document, behind: float) -> Finding:
    """What the answer of replSetGetStatus says of the members that hold data."""
    bad = [f"{member['name']} ({member['stateStr']})" for member in status["members"] if not member.get("health")]
    well = sum(member["state"] in {PRIMARY, SECONDARY} for member in status["members"])
    needed = status.get("writeMajorityCount", len(status["members"]) // 2 + 1)
    said = f"{well} of {words.counted(len(status['members']), 'member')} well, where a majority is {needed}"
    if well < needed:
        return problem(f"{said}; not well: {words.some(bad)}", "start the members that are down")
    if bad:
        return notice(f"{said}; not well: {words.some(bad)}", "start the members that are down")
    return ok(f"{said}, and {behind:.0f} s behind the primary")


async def storage_engine(deployment: Deployment) -> Finding:
    """Whether what is acknowledged is on a disk."""
    status = await admin(deployment, "serverStatus")
    if (engine := status.get("storageEngine")) is None:
        return unchecked("each shard has its own")
    if engine["name"] != "wiredTiger" or not engine["persistent"]:
        return problem(f"the storage engine is {engine['name']}: nothing acknowledged is durable", "use wiredTiger")
    options = await admin(deployment, "getCmdLineOpts")
    journal = options["parsed"].get("storage", {}).get("journal", {})
    if journal.get("enabled") is False:
        return problem("the journal is turned off: nothing acknowledged is durable", "start mongod without --nojournal")
    return ok("wiredTiger, with a journal")


async def sizes(deployment: Deployment) -> Finding:
    """What the database takes, and the disk it is on."""
    found = await deployment.database.reads.command("dbStats")
    said = (
        f"{words.counted(int(found['objects']), 'document')}, {words.size(int(found['dataSize']))}, "
        f"on disk {words.size(int(found['storageSize']))} and {words.size(int(found['indexSize']))} of indexes"
    )
    total, used = int(found.get("fsTotalSize", 0)), int(found.get("fsUsedSize", 0))
    if not total:
        return ok(said)
    room = room_on(total - used, total)
    return Finding(room.verdict, f"{said}; {room.said}", room.advice)


def room_on(free: int, total: int) -> Finding:
    """Whether the server's disk is filling up. Both in bytes."""
    said = f"{words.size(free)} of {words.size(total)} free"
    if free < total * LITTLE_LEFT:
        worse = free < total * LITTLE_LEFT / 5
        advice = "give the server a larger disk, or delete old raw calls: python -m scripts.retention --days 90"
        return (problem if worse else notice)(said, advice)
    return ok(said)


async def clock(deployment: Deployment) -> Finding:
    trips = [await _round_trip(deployment) for _ in range(ROUND_TRIPS)]
    took, ahead = min(trips)
    side = "ahead of" if ahead >= 0 else "behind"
    said = f"the server's clock is {abs(ahead):.3f} s {side} this machine's (round trip {took * 1000:.1f} ms)"
    # half of the way there and back is the server's, and its answer is a whole millisecond
    certain = abs(ahead) - took / 2 - 0.001
    if certain <= CLOCK_NOTICE:
        return ok(said)
    return (problem if certain > CLOCK_PROBLEM else notice)(said, "keep the clocks of both machines by NTP")


async def _round_trip(deployment: Deployment) -> tuple[float, float]:
    """Seconds that it took, and that the server's clock is ahead."""
    before = deployment.clock()
    there: datetime = (await admin(deployment, "hello"))["localTime"]
    took = deployment.clock() - before
    return took.total_seconds(), (there - before - took / 2).total_seconds()


def _members(hello: Document) -> list[str]:
    return [*hello.get("hosts", []), *hello.get("passives", []), *hello.get("arbiters", [])]


async def admin(deployment: Deployment, command: str) -> Document:
    """What the server answers to a command that changes nothing. Raises PyMongoError."""
    reads = deployment.database.reads
    answer: Document = await reads.client.admin.command(command, codec_options=reads.codec_options)
    return answer


GROUP = Group(
    "MongoDB",
    (
        Check("connection", connection, local=True),
        Check("version", version),
        Check("topology", topology),
        Check("majority", majority),
        Check("storage engine", storage_engine),
        Check("sizes", sizes),
        Check("clock", clock),
    ),
)
