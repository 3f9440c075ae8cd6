"""Collections, their format and indexes: declared against existing."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pymongo import IndexModel
from pymongo.errors import OperationFailure

from app.database import formats
from app.database.connection import DOCUMENTS
from models import (
    alerts,
    annotations,
    audit,
    campaigns,
    counters,
    experiments,
    limits,
    months,
    refusals,
    revenue,
    stripe,
)
from models.rollups import INDEXES, ROLLUPS
from scripts.diagnosis import words
from scripts.diagnosis.finding import START, Check, Deployment, Finding, Group, notice, ok, problem

NO_SUCH_COLLECTION = 26
OPTIONS = ("unique", "sparse", "hidden", "partialFilterExpression", "expireAfterSeconds", "collation")
"""What changes what an index is good for."""

Indexes = dict[str, Mapping[str, Any]]
"""By name."""


class Compared(NamedTuple):
    """Indexes as `collection.name`."""

    missing: list[str]
    different: list[str]
    unknown: list[str]
    retired: list[str]


async def collections(deployment: Deployment) -> Finding:
    existing = set(await deployment.database.reads.list_collection_names())
    declared = declared_collections()
    if missing := [name for name in declared if name not in existing]:
        said = f"{len(missing)} of {len(declared)} collections are missing: {words.some(missing)}"
        return problem(said, f"is TWINMETER_DATABASE right? A start of the server creates them: {START}")
    return ok(f"all {len(declared)} are there")


async def stored_format(deployment: Deployment) -> Finding:
    if later := await deployment.database.later_format():
        return problem(later, formats.WAY_OUT)
    return ok(f"format {formats.FORMAT} or earlier, which this release reads")


async def indexes(deployment: Deployment) -> Finding:
    declared = declared_indexes()
    present = {name: await _present(deployment, name) for name in declared}
    found = compared(declared, present)
    total = sum(map(len, declared.values()))
    if found.missing or found.different:
        return _not_as_declared(found, total)
    if found.unknown:
        said = f"all {total} are there, and others that cost every write: {words.some(found.unknown)}"
        return notice(said, f"drop those that nothing of yours needs, for instance {_drop(found.unknown[0])}")
    if found.retired:
        said = f"all {total} are there, and those of an earlier version: {words.some(found.retired)}"
        return notice(said, f"a start of the server drops them: {START}")
    return ok(f"all {total} are there, and no other")


def _not_as_declared(found: Compared, total: int) -> Finding:
    parts = (("missing", found.missing), ("defined differently", found.different))
    wrong = "; ".join(f"{len(names)} {what}: {words.some(names)}" for what, names in parts if names)
    advice = f"a start of the server creates what is missing: {START}"
    if found.different:
        advice = f"drop those defined differently, for instance {_drop(found.different[0])}; {advice}"
    return problem(f"of {total} indexes, {wrong}: reports read whole collections", advice)


def declared_collections() -> list[str]:
    """By name."""
    return sorted({*ROLLUPS, *declared_indexes()})


def declared_indexes() -> dict[str, Indexes]:
    """By collection."""
    declared: dict[str, list[IndexModel]] = {
        document.Settings.name: document.Settings.indexes for document in DOCUMENTS
    }
    declared |= {**INDEXES, refusals.REFUSALS: refusals.INDEXES, refusals.LATE: refusals.INDEXES}
    declared |= limits.INDEXES | counters.INDEXES | alerts.INDEXES | audit.INDEXES | annotations.INDEXES
    declared |= revenue.INDEXES | months.INDEXES | experiments.INDEXES | campaigns.INDEXES | stripe.INDEXES
    return {name: {each.document["name"]: each.document for each in models} for name, models in declared.items()}


def compared(declared: dict[str, Indexes], present: dict[str, Indexes]) -> Compared:
    """What of `present` is not as `declared`."""
    result = Compared([], [], [], [])
    retired = {document.Settings.name: getattr(document.Settings, "retired_indexes", ()) for document in DOCUMENTS}
    for collection, wanted in declared.items():
        there = present[collection]
        result.missing.extend(f"{collection}.{name}" for name in wanted.keys() - there.keys())
        result.different.extend(
            f"{collection}.{name}"
            for name in wanted.keys() & there.keys()
            if _shape(wanted[name]) != _shape(there[name])
        )
        for name in sorted(there.keys() - wanted.keys() - {"_id_"}):
            (result.retired if name in retired.get(collection, ()) else result.unknown).append(f"{collection}.{name}")
    return Compared(*map(sorted, result))


def _shape(index: Mapping[str, Any]) -> tuple[Any, ...]:
    """In the order of its keys. What an index does not say is as if it said no."""
    return list(index["key"].items()), *(index.get(option) or None for option in OPTIONS)


async def _present(deployment: Deployment, collection: str) -> Indexes:
    try:
        return {each["name"]: each async for each in deployment.database.reads[collection].list_indexes()}
    except OperationFailure as error:
        if error.code == NO_SUCH_COLLECTION:
            return {}
        raise


def _drop(name: str) -> str:
    collection, _, index = name.partition(".")
    return f'db.{collection}.dropIndex("{index}")'


GROUP = Group("indexes", (Check("collections", collections), Check("format", stored_format), Check("indexes", indexes)))
