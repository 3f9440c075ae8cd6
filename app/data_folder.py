"""The data folder: it must be writable, and is closed to other users of the machine."""

import os
import stat
from pathlib import Path

from app.errors import ConfigurationError
from app.observability.logs import Log

log = Log(__name__)

PRIVATE = 0o700
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def prepared(folder: Path) -> Path:
    """The data folder, made where it is missing, and closed to others where an earlier version left it open.

    Raises ConfigurationError where it cannot be written.
    """
    folder = folder.absolute()
    try:
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        _close(folder)
    except OSError as error:
        raise unusable(folder, error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        raise unusable(folder, "it is on a read-only file system" if read_only else "this user may not write to it")
    return folder


def unusable(folder: Path, why: object) -> ConfigurationError:
    """The error that ends a start which needs the folder."""
    message = f"The data folder {folder.absolute()} cannot be used: {why}. "
    return ConfigurationError(f"{message}Set TWINMETER_DATA_DIR to a folder that can be written.")


def _close(folder: Path) -> None:
    """A folder that somebody else owns, or one that all users share, is not ours to close."""
    found = folder.stat()
    if not found.st_mode & OTHERS:
        return
    if found.st_uid != os.geteuid() or found.st_mode & stat.S_ISVTX:
        log.info("data_folder.open_to_others", folder=str(folder), mode=oct(stat.S_IMODE(found.st_mode)))
        return
    folder.chmod(PRIVATE)
    log.info("data_folder.closed_to_others", folder=str(folder))
