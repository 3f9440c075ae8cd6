"""The format of a database: one number for everything that is stored in it, which only grows. See docs/upgrade.md."""

from collections.abc import Mapping
from typing import Any

from app import __version__

FORMAT = 1
"""What this release writes. A release raises it whose data an earlier one would misread or damage, and no other."""
KEY = {"_id": "format"}
"""Its document in `versions`. Databases of releases up to 0.5.0 have none; they are of format 1."""
EARLIER = {**KEY, "version": {"$lt": FORMAT}}
RAISED = {"$set": {"version": FORMAT, "release": __version__}}
"""`release` is the first that wrote this format here."""


WAY_OUT = "start that release or a later one, or restore a backup from before the upgrade"


def later_format(stored: Mapping[str, Any] | None, name: str) -> str | None:
    """What is wrong where the database `name` is of a format that this release does not know; None where it is not."""
    if stored is None or stored["version"] <= FORMAT:
        return None
    return (
        f"the database {name} is of format {stored['version']}, which twinmeter {stored['release']} began to write; "
        f"this is {__version__}, which knows formats up to {FORMAT}"
    )
