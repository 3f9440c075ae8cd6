"""Secrets that a deployment makes for itself, and keeps in its data folder."""

import contextlib
import fcntl
import os
import secrets
from pathlib import Path


def _remove_if_empty(path: Path) -> None:
    """Of processes that start at once none removes what another one has made meanwhile."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not file.read() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
            path.unlink()


def kept_secret(path: Path) -> str:
    """The 256 random bits, in hexadecimal digits, that a file of the data folder keeps for its owner alone; made at the
    first use, and where a power cut has left the file empty. Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_if_empty(path)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())  # or a power cut may leave the name without the content
    try:
        # a link, unlike a rename, fails where another process was first: both then read the same secret
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
