"""Spread a database over the shards of a MongoDB cluster.

It prints what is spread, by which key and why, and the commands for mongosh. With --execute it runs them, and needs the
cluster's mongos for that. Writers and readers may go on meanwhile: MongoDB moves the documents in the background. Run
again after an interruption, it goes on; there is no way back but MongoDB's own. docs/scaling.md says when it is worth
it, and what a transaction over several shards costs.

    python -m scripts.shard
    python -m scripts.shard --execute
"""

import argparse
import json
import sys
from typing import Any

from app.database.connection import looking
from app.database.deployment import mongodb
from app.database.sharding import BY_ID, REASONS, Step, spread, steps
from app.settings import Settings
from scripts.toolkit import command


def main() -> int:
    parser = command.parser("shard", __doc__)
    parser.add_argument("--execute", action="store_true", help="run the commands on the configured mongos")
    arguments = parser.parse_args()
    return command.run(lambda settings: _shard(arguments, settings))


async def _shard(arguments: argparse.Namespace, settings: Settings) -> int:
    name = settings.database
    if not arguments.execute:
        sys.stdout.write(_plan(name))
        return 0
    with mongodb(settings, shared=True) as uri:
        async with looking(uri, name) as database:
            client = database.reads.client

            async def run(where: str, what: dict[str, Any]) -> dict[str, Any]:
                return await client[where].command(what)

            await spread(run, name, _say)
    sys.stdout.write(f"{len(REASONS)} collections are sharded; sh.status() in mongosh shows how far they are spread\n")
    return 0


def _plan(database: str) -> str:
    lines = [f"// {name}: {reason}" for name, reason in REASONS.items()]
    lines += [f"// the key of each: {json.dumps(BY_ID)}; all other collections stay on the database's first shard", ""]
    return "\n".join([*lines, *map(_in_mongosh, steps(database))]) + "\n"


def _in_mongosh(step: Step) -> str:
    return f"db.getSiblingDB({json.dumps(step.database)}).runCommand({json.dumps(step.command)})"


def _say(step: Step) -> None:
    sys.stderr.write(f"{_in_mongosh(step)}: done\n")


if __name__ == "__main__":
    sys.exit(main())
