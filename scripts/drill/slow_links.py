"""TCP links that are slow: python slow_links.py SECONDS LISTEN:TARGET...

Each passes on what it is sent, on this machine, so many seconds later each way, and no less of it. It ends when its
standard input is closed. Nothing but the standard library.
"""

import asyncio
import contextlib
import os
import socket
import sys
from functools import partial

LOOPBACK = "127.0.0.1"
CHUNK = 65_536
ON_THE_WAY = 256
"""Chunks each way of a connection: a sender of more has to wait, as on a real link."""


async def main(seconds: float, links: list[tuple[int, int]]) -> None:
    for listening, target in links:
        await asyncio.start_server(partial(_join, seconds, target), LOOPBACK, listening)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # all links are cut at once


async def _join(
    seconds: float, target: int, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter
) -> None:
    try:
        from_target, to_target = await asyncio.open_connection(LOOPBACK, target)
    except OSError:  # away: the client is told so by the end of its connection
        to_client.close()
        return
    for writer in (to_client, to_target):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ways = (_pass_on(seconds, from_client, to_target), _pass_on(seconds, from_target, to_client))
    await asyncio.gather(*ways)


async def _pass_on(seconds: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One way, until either side ends, which the other one learns so many seconds later too."""
    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(ON_THE_WAY)
    reading = asyncio.create_task(_read(seconds, reader, on_the_way))
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while True:
            due, chunk = await on_the_way.get()
            await asyncio.sleep(due - loop.time())
            if not chunk:
                break
            writer.write(chunk)
            await writer.drain()
    reading.cancel()
    writer.close()


async def _read(seconds: float, reader: asyncio.StreamReader, on_the_way: "asyncio.Queue[tuple[float, bytes]]") -> None:
    loop, chunk = asyncio.get_running_loop(), b"?"
    while chunk:
        try:
            chunk = await reader.read(CHUNK)
        except OSError:
            chunk = b""
        await on_the_way.put((loop.time() + seconds, chunk))


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), [tuple(map(int, link.split(":"))) for link in sys.argv[2:]]))  # type: ignore[misc]
