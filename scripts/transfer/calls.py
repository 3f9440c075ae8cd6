"""From a row to the call that it records, by a mapping."""

from collections.abc import Iterator
from datetime import datetime
from math import isnan
from typing import Any

from pydantic import ValidationError

from app.tracking import AICall, Fault
from models.faults import faults_of
from scripts.transfer.mapping import Mapping, Rule
from scripts.transfer.units import reader_of, unit_factor
from scripts.transfer.values import UnreadableError, moment, number, since_1970, text

ABSENT = ("", "NULL", "\\N")
"""How SQL systems write null."""


class RowError(Exception):
    """A row that cannot be imported, with every reason."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{field}: {why}" if field else why for field, why in faults))


class Calls:
    """Reads rows as one mapping says."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._zone = mapping.zone

    def wanted(self, row: dict[str, Any]) -> bool:
        """Whether the row is one of those that the mapping chooses."""
        return all(text(value_of(row, column)) == text(value) for column, value in self._mapping.where.items())

    def call(self, row: dict[str, Any]) -> AICall:
        """Raises RowError."""
        fields, faults = {}, []
        for name, rule in self._mapping.fields.items():
            try:
                if (value := self._value(name, rule, row)) is not None:
                    fields[name] = value
            except UnreadableError as error:
                faults.append(Fault(name, str(error)))
        faults += [Fault(name, why) for name, why in _NEEDED.items() if name not in fields and not faults]
        if faults:
            raise RowError(faults)
        fields["request_id"] = self._mapping.id_prefix + fields["request_id"]
        try:
            return AICall.model_validate(_told(fields))
        except ValidationError as error:
            raise RowError(faults_of(error)) from error

    def _value(self, name: str, rule: Rule, row: dict[str, Any]) -> Any:
        if rule.constant is not None:
            return rule.constant
        found = next(_present(row, rule.column), rule.default)
        if found is None:
            return None
        if rule.values and (meant := rule.values.get(text(found).strip().lower())) is not None:
            found = meant
        value = self._moment(rule, found) if name == "created_at" else _read(name, rule, found)
        return None if rule.zero_is_unknown and value == 0 else value

    def _moment(self, rule: Rule, found: object) -> datetime:
        factor = unit_factor("created_at", rule.unit)
        return moment(found, self._zone) if factor is None else since_1970(number(found) * factor)


_NEEDED = {
    "request_id": "the row has no id, without which it would count twice when it is imported again",
    "created_at": "the row has no date",
    "user_id": "is empty",
    "content_type": "is empty",
    "model": "is empty",
}


def value_of(row: dict[str, Any], column: str) -> Any:
    """The value of a column; a dot leads into an object."""
    if column in row or "." not in column:
        return row.get(column)
    first, rest = column.split(".", 1)
    inner = row.get(first)
    return value_of(inner, rest) if isinstance(inner, dict) else None


def _present(row: dict[str, Any], columns: list[str]) -> Iterator[Any]:
    for column in columns:
        value = value_of(row, column)
        if not _is_absent(value):
            yield value


def _is_absent(value: object) -> bool:
    # pandas writes NaN where there is nothing
    return value is None or (isinstance(value, str) and value in ABSENT) or (isinstance(value, float) and isnan(value))


def _read(name: str, rule: Rule, found: object) -> Any:
    value = reader_of(name)(found)
    factor = unit_factor(name, rule.unit)
    return value if factor is None else value * factor


def _told(fields: dict[str, Any]) -> dict[str, Any]:
    """Where only a total is known, many systems have 0 for its parts."""
    parts = ("input_tokens", "output_tokens")
    if fields.get("tokens_used") and not any(fields.get(part) for part in parts):
        return {name: value for name, value in fields.items() if name not in parts}
    return fields
