"""Importing in this process, for the tests of imports."""

import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from app.database import Database
from app.settings import Settings
from scripts.toolkit.call_store import storing
from scripts.toolkit.job import Summary, run_job
from scripts.transfer.importing import Import
from scripts.transfer.mapping import read_mapping
from scripts.transfer.opening import open_sources
from scripts.transfer.rejects import Rejects
from scripts.transfer.seen import SeenIds

Importer = Callable[..., Any]


def importer(settings: Settings, tmp_path: Path) -> Importer:
    """A function that imports sources into a database; rejected rows go to `rejects.jsonl`."""

    async def run(
        database: Database,
        *sources: Path | str,
        mapping: str = "export",
        execute: bool = True,
        restart: bool = False,
        as_sums: bool = False,
        **more: Any,
    ) -> Summary:
        told = {name: more.pop(name, None) for name in ("timezone", "user")}
        collection = more.pop("collection", None)
        changed = settings.model_copy(update={"store_ip_address": True, "store_user_agent": True, **more})
        async with AsyncExitStack() as stack:
            read = read_mapping(mapping, **told)
            opened = [await open_sources(str(source), read, collection, stack) for source in sources]
            store = await stack.enter_async_context(storing(database, changed, execute=execute))
            rejects = Rejects(tmp_path / "rejects.jsonl" if execute else None)
            files = [source for named in opened for source in named]
            job = Import(files, read, store, rejects, stack.enter_context(SeenIds()), as_sums=as_sums)
            return await run_job(job, database, execute=execute, restart=restart)

    return run


def rejects(tmp_path: Path) -> list[tuple[str, str]]:
    """Where each rejected row stands, and why it was rejected."""
    path = tmp_path / "rejects.jsonl"
    lines = path.read_text("utf-8").split("\n")[:-1] if path.exists() else []
    return [(found["at"], found["reason"]) for found in map(json.loads, lines)]
