"""Serve the stand-in for providers of AI models until it is told to stop.

It says on its first line where it answers. Any key is taken but one that begins with `sk-wrong`. A model may be asked
to misbehave by its name, as `gpt-4o--rate_limit=3`: see `scripts.provider.faults`.
"""

import asyncio
import sys

import uvloop

from scripts.provider import Provider
from scripts.toolkit import command


def main() -> int:
    parser = command.parser("provider", __doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one (default)")
    parser.add_argument("--no-log", action="store_true", help="remember nothing of what came, for measurements")
    options = parser.parse_args()
    try:
        uvloop.run(_serve(Provider(keeps_log=not options.no_log), options.host, options.port))
    except KeyboardInterrupt:
        return command.INTERRUPTED
    return 0


async def _serve(stand_in: Provider, host: str, port: int) -> None:
    await stand_in.start(host, port)
    sys.stdout.write(f"the provider answers at {stand_in.address}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
