"""Rows that are sums of many calls, as bills and dashboards have them: told from calls, and marked as what they are."""

import json
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from pathlib import PurePath
from typing import Any

from app.errors import InvalidRequestError
from app.tracking import Fault
from scripts.transfer.cells import NO_NUMBER, first_of, is_absent, value_of
from scripts.transfer.mapping import Mapping
from scripts.transfer.units import AMOUNTS, COUNTS
from scripts.transfer.values import UnreadableError, is_day, number

_REQUESTS = frozenset(
    {
        *("num_model_requests", "num_requests", "n_requests", "api_requests", "total_requests", "requests"),
        *("request_count", "requests_count", "num_calls", "n_calls", "call_count", "calls", "total_calls"),
    }
)
"""Columns that say how many calls a row is of, where it is of more than one."""
_DIGEST = 16


class SumsError(InvalidRequestError):
    """A file whose rows are sums is not one of calls."""

    def __init__(self, source: str) -> None:
        super().__init__(
            f"{source}: each row is the sum of many calls, not a call; "
            "--as-sums imports each as one entry marked as a sum"
        )


class Sums:
    """Tells sums from calls, for one mapping."""

    def __init__(self, mapping: Mapping, *, as_sums: bool) -> None:
        self._mapping = mapping
        self._as_sums = as_sums

    def is_sum(self, row: dict[str, Any], at: datetime | None) -> bool:
        """Whether the mapping says so, or the row: by a number of calls, or by a date without a time or an id."""
        rule = self._mapping.fields["created_at"]
        if self._mapping.of_sums or _requests(row) is not None:
            return True
        if self._mapping.has_own_ids:
            return False
        if rule.unit is None and is_day(first_of(row, rule.column)):
            return True
        return self._as_sums and at is not None and is_midnight(at)

    def applied(self, row: dict[str, Any], fields: dict[str, Any], end: datetime | None) -> list[Fault]:
        """Make of `fields` those of a sum, at the noon of its day, which is that day in most zones. `end` is that of
        its time, where the row says it. Returns what is wrong with it.
        """
        fields["aggregated"] = True
        if requests := fields.pop("aggregated_requests", None) or _requests(row):
            fields["aggregated_requests"] = requests
        if not self._mapping.has_own_ids:
            fields["request_id"] = self._id(row)
        if (at := fields.get("created_at")) is None:
            return []
        if end is None and is_midnight(at):
            fields["created_at"], end = at + timedelta(hours=12), at + timedelta(days=1)
        if end is not None and end > datetime.now(UTC):
            return [Fault("created_at", "its period is not over, so its sums still grow: import it later")]
        return []

    def _id(self, row: dict[str, Any]) -> str:
        """Of what the row is the sum of: a day whose figures were corrected is the same day."""
        rules = self._mapping.fields.items()
        measures = {column for name, rule in rules if name in COUNTS | AMOUNTS for column in rule.columns}
        others = {name: value for name, value in row.items() if name not in measures and not _is_number(value)}
        return _digest({**others, **{name: value_of(row, name) for name in self._mapping.columns - measures}})


def is_midnight(at: datetime) -> bool:
    """Whether it is the very start of a day in its own zone."""
    return at.time() == time()


def row_id(mapping: Mapping, row: dict[str, Any], source: str, line: str) -> str:
    """An id of a row that has none, the same whenever it is imported."""
    if mapping.fields["request_id"].row == "number":
        return f"{PurePath(source).name}:{line}"
    return _digest({name: value_of(row, name) for name in mapping.columns})


def _digest(said: dict[str, Any]) -> str:
    told = sorted((name, str(value)) for name, value in said.items() if not is_absent(value))
    return blake2b(json.dumps(told).encode(), digest_size=_DIGEST).hexdigest()


def _requests(row: dict[str, Any]) -> int | None:
    """How many calls the row says that it is of, where that is more than one."""
    for name, value in row.items():
        if name.lower() in _REQUESTS and not isinstance(value, dict | list | bool):
            try:
                found = number(value)
            except UnreadableError:
                continue
            if found > 1 and found == int(found):
                return int(found)
    return None


def _is_number(value: object) -> bool:
    if isinstance(value, date):
        return False
    try:
        number(value)
    except UnreadableError:
        return isinstance(value, str) and value.strip().lower() in NO_NUMBER
    return True
