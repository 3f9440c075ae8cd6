"""Days and hours as the rollups count them: in the local time of one zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

QUARTER_SECONDS = 900
QUARTER = timedelta(seconds=QUARTER_SECONDS)
MAX_KNOWN_QUARTERS = 10_000


class LocalTime:
    """Days and hours in local time. Since 2000 every zone has changed only at full quarters of an hour."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.follow(zone)

    def follow(self, zone: ZoneInfo) -> None:
        """Count in another zone from now on."""
        self.zone = zone
        self._known: dict[int, tuple[str, str]] = {}
        # nearly all calls of a batch fall in the same quarter
        self._from = self._until = datetime.min.replace(tzinfo=UTC)
        self._last = ("", "")

    def __call__(self, moment: datetime) -> tuple[str, str]:
        """The day, as `2026-11-21`, and the hour, as `13`."""
        if self._from <= moment < self._until:
            return self._last
        quarter = int(moment.timestamp() // QUARTER_SECONDS)
        if (found := self._known.get(quarter)) is None:
            if len(self._known) >= MAX_KNOWN_QUARTERS:
                self._known.clear()
            local = moment.astimezone(self.zone)
            found = self._known[quarter] = local.date().isoformat(), str(local.hour)
        self._last, self._from = found, datetime.fromtimestamp(quarter * QUARTER_SECONDS, UTC)
        self._until = self._from + QUARTER
        return found
