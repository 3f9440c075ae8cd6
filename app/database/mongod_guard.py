"""Keeps mongod alive for exactly as long as the process that started it: mongod_guard.py MONGOD ARGUMENT...

Where the arguments say so (`--logRotate reopen`), it keeps the log within bounds, too.

Standard input is a pipe of which only that process holds the other end, so it ends when the process closes it or dies,
by kill -9 too. Nothing but the standard library: run with python -I -S.
"""

import ctypes
import itertools
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

LOOK_S = 1.0
MAX_LOG = 16_000_000  # bytes; another file of as many is kept
GRACE_S = 5.0  # a clean stop takes one second; the journal covers one that is cut short
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> int:
    parent = os.getppid()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which mongod would inherit
    mongod = subprocess.Popen(  # noqa: S603 - the command is our parent's
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        close_fds=False,  # what is left open here is the data folder's lock: held until mongod has gone
        preexec_fn=follow_guard if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads yet
    )
    threading.Thread(target=look_after, args=(mongod, parent), daemon=True).start()
    code = mongod.wait()
    return code if code >= 0 else 128 - code  # killed by a signal: as a shell reports it


def follow_guard() -> None:
    """Ask Linux to stop mongod even when this guard is killed with -9."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def look_after(mongod: subprocess.Popen[bytes], parent: int) -> None:
    log = log_of(sys.argv)
    # A fork of the parent may outlive it and hold the pipe open: hence the look at the process id.
    while os.getppid() == parent and not select.select([0], [], [], LOOK_S)[0]:
        if log is not None and set_aside(log):
            mongod.send_signal(signal.SIGUSR1)  # open a new one
    mongod.terminate()
    time.sleep(GRACE_S)  # main() ends this process, and with it this thread, as soon as mongod has gone
    mongod.kill()


def log_of(arguments: list[str]) -> Path | None:
    """The log that is ours to set aside."""
    options = dict(itertools.pairwise(arguments))
    return Path(options["--logpath"]) if options.get("--logRotate") == "reopen" else None


def set_aside(log: Path) -> bool:
    """Rename a log that has become too long, over the one before. Returns whether it was."""
    try:
        if log.stat().st_size <= MAX_LOG:
            return False
        log.replace(f"{log}.1")
    except OSError:  # gone, or on a disk that fails: no reason to let go of mongod
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
