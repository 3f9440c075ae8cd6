"""Moments as MongoDB keeps them: in UTC, and in whole milliseconds."""

from datetime import UTC, datetime


def in_milliseconds(moment: datetime) -> datetime:
    """The moment without what is less than a millisecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def moment_now() -> datetime:
    """What this machine's clock says."""
    return in_milliseconds(datetime.now(UTC))
