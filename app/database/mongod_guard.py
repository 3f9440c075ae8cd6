"""Keeps mongod alive for exactly as long as the process that started it: mongod_guard.py MONGOD ARGUMENT...

Standard input is a pipe of which only that process holds the other end, so it ends when the process closes it or dies,
by kill -9 too. Nothing but the standard library: run with python -I -S.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
import time

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
    threading.Thread(target=stop_after, args=(mongod, parent), daemon=True).start()
    code = mongod.wait()
    return code if code >= 0 else 128 - code  # killed by a signal: as a shell reports it


def follow_guard() -> None:
    """Ask Linux to stop mongod even when this guard is killed with -9."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def stop_after(mongod: subprocess.Popen[bytes], parent: int) -> None:
    # A fork of the parent may outlive it and hold the pipe open: hence the look at the process id.
    while os.getppid() == parent and not select.select([0], [], [], 1.0)[0]:
        pass
    mongod.terminate()
    time.sleep(GRACE_S)  # main() ends this process, and with it this thread, as soon as mongod has gone
    mongod.kill()


if __name__ == "__main__":
    sys.exit(main())
