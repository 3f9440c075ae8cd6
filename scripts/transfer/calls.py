"""From a row to the call that it records, by a mapping."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from app.tracking import AICall, Fault
from app.usage.responses import reported_of
from models.faults import faults_of
from scripts.transfer.cells import NO_NUMBER, as_object, first_of, value_of
from scripts.transfer.conventions import CACHE, Conventions
from scripts.transfer.mapping import Conditions, Mapping
from scripts.transfer.rules import Rule
from scripts.transfer.sums import Sums, SumsError, row_id
from scripts.transfer.units import AMOUNTS, COUNTS, Reader, reader_of, unit_factor
from scripts.transfer.unnamed import MAX_NAMES, Unnamed, unexplained
from scripts.transfer.values import UnreadableError, moment, number, since_1970, text

TOKENS = frozenset(COUNTS - {"images", "characters", "web_searches", "aggregated_requests"})


class RowError(Exception):
    """A row that cannot be imported, with every reason."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{field}: {why}" if field else why for field, why in faults))


@dataclass(slots=True)
class Told:
    """What a row tells of a call, by the fields of `AICall`, in the source's own convention of counts."""

    fields: dict[str, Any]
    unnamed: dict[str, Decimal] = field(default_factory=dict)
    """Counts in columns that the mapping does not name."""


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a call, and how it is read."""

    name: str
    rule: Rule
    absent: frozenset[str]
    read: Reader
    factor: Decimal | None

    def in_unit(self, value: Any) -> Any:
        return value if self.factor is None or value is None else value * self.factor


class Calls:
    """Reads rows as one mapping says. `as_sums` takes rows that are sums as well."""

    def __init__(self, mapping: Mapping, *, as_sums: bool = False) -> None:
        self._mapping = mapping
        self._zone = mapping.zone
        self._as_sums = as_sums
        self._absent = frozenset(word.lower() for word in mapping.absent)
        self._fields = [self._field(name, rule) for name, rule in mapping.fields.items()]
        self._sums = Sums(mapping, as_sums=as_sums)
        self._unnamed = Unnamed(mapping)
        self.unnamed: set[str] = set()
        """Names of columns with counts that the mapping does not name, of the calls so far."""
        self.conventions = Conventions(mapping)

    def wanted(self, row: dict[str, Any]) -> bool:
        """Whether the row is one of those that the mapping chooses. Raises UnreadableError."""
        mapping = self._mapping
        return (
            meets(row, mapping.where)
            and not (mapping.unless and meets(row, mapping.unless))
            and all(first_of(row, [column], self._absent) is not None for column in mapping.present)
        )

    def read(self, row: dict[str, Any], source: str = "", line: str = "") -> Told:
        """What the row says. Raises RowError, and SumsError for a row that is no call where only calls are meant."""
        fields, faults = {}, []
        for each in self._fields:
            try:
                if (value := self._value(each, row)) is not None:
                    fields[each.name] = value
                elif each.rule.needed:
                    faults.append(Fault(each.name, "is empty"))
            except UnreadableError as error:
                faults.append(Fault(each.name, str(error)))
        if self._sums.is_sum(row, fields.get("created_at")):
            if not self._as_sums:
                raise SumsError(source)
            faults += self._sums.applied(row, fields, self._end(row) if "created_at" in fields else None)
        elif self._mapping.fields["request_id"].row:
            fields["request_id"] = row_id(self._mapping, row, source, line)
        faults += [Fault(name, why) for name, why in _NEEDED.items() if name not in fields and not faults]
        if faults:
            raise RowError(faults)
        fields = self._usage(row, fields)
        fields["request_id"] = self._mapping.id_prefix + fields["request_id"]
        return Told(fields, self._unnamed.found(row))

    def call(self, told: Told) -> AICall:
        """The call, in our own convention of counts. Raises RowError."""
        fields, faults = self.conventions.applied(_without_empty_parts(told.fields))
        if faults:
            raise RowError(faults)
        names = unexplained(told.unnamed, fields)
        if len(self.unnamed) < MAX_NAMES:
            self.unnamed.update(names)
        if names and "cost" not in fields:
            words = f"{', '.join(names)}: counts that the mapping does not read"
            fields = {name: value for name, value in fields.items() if name not in TOKENS}
            fields["unreadable_reason"] = words[:1_000]
        if "cost" not in fields:
            fields.pop("cost_basis", None)
        try:
            return AICall.model_validate(fields)
        except ValidationError as error:
            raise RowError(faults_of(error)) from error

    def _field(self, name: str, rule: Rule) -> _Field:
        absent = self._absent | {word.lower() for word in rule.absent}
        if name in COUNTS | AMOUNTS:
            absent |= NO_NUMBER
        return _Field(name, rule, absent, reader_of(name), unit_factor(name, rule.unit))

    def _value(self, field: _Field, row: dict[str, Any]) -> Any:
        rule = field.rule
        if rule.constant is not None:
            return rule.constant
        value = self._in_column(field, row) if rule.column and not rule.minus else self._made(field, row)
        return None if rule.zero_is_unknown and value == 0 else value

    def _in_column(self, field: _Field, row: dict[str, Any]) -> Any:
        rule = field.rule
        found = first_of(row, rule.column, field.absent)
        if found is None and (found := rule.default) is None:
            return None
        if field.name in COUNTS and len(rule.column) > 1:
            return self._counted(field, row)
        if rule.values and (meant := rule.values.get(text(found).strip().lower(), rule.otherwise)) is not None:
            found = meant
        if field.name == "created_at":
            return self._moment(rule, found)
        return field.in_unit(field.read(found))

    def _counted(self, field: _Field, row: dict[str, Any]) -> Any:
        """The first that is not zero: systems leave a 0 under the name that they do not use."""
        found = (first_of(row, [column], field.absent) for column in field.rule.column)
        told = [field.read(value) for value in found if value is not None] or [field.rule.default]
        return next((count for count in told if count), told[0])

    def _made(self, field: _Field, row: dict[str, Any]) -> Any:
        """Of several columns."""
        rule = field.rule
        if rule.row:
            return None
        if rule.start:
            return self._between(field, row)
        if rule.join:
            parts = [first_of(row, group, field.absent) for group in rule.join]
            told = ["" if part is None else text(part) for part in parts]
            return rule.separator.join(told) if any(told) else rule.default
        return field.in_unit(_added(field, row))

    def _moment(self, rule: Rule, found: object) -> datetime:
        if rule.unit is None:
            return moment(found, self._zone)
        factor = unit_factor("created_at", rule.unit)
        assert factor is not None  # noqa: S101 - it has a unit
        return since_1970(number(found) * factor)

    def _between(self, field: _Field, row: dict[str, Any]) -> Any:
        """A duration in ms or, of a span of time, its middle."""
        rule = field.rule
        first, last = (first_of(row, group, field.absent) for group in (rule.start, rule.to))
        if first is None or last is None:
            return None
        start, end = self._moment(rule, first), self._moment(rule, last)
        if end < start:
            raise UnreadableError(f"{'/'.join(rule.to)} is before {'/'.join(rule.start)}")
        if field.name == "created_at":
            return start + (end - start) / 2
        return Decimal((end - start) // timedelta(microseconds=1)) / 1_000

    def _end(self, row: dict[str, Any]) -> datetime | None:
        """That of the span in whose middle a row stands."""
        rule = self._mapping.fields["created_at"]
        return self._moment(rule, first_of(row, rule.to)) if rule.to else None

    def _usage(self, row: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
        """With what the provider's own usage object says, where the mapping says nothing."""
        rule = self._mapping.usage
        if rule is None:
            return fields
        found = next((value for each in rule.column if (value := as_object(value_of(row, each))) is not None), None)
        if found is None:
            if rule.optional:
                return fields
            raise RowError([Fault("usage", f"the row has no {' or '.join(rule.column)}")])
        said = reported_of({"usage": found}, fields.get("provider"))
        return {**{name: value for name, value in said.items() if name != "model"}, **fields}


_NEEDED = {
    "request_id": "the row has no id, without which it would count twice when it is imported again",
    "created_at": "the row has no date",
    "user_id": "is empty",
    "content_type": "is empty",
    "model": "is empty",
}


def meets(row: dict[str, Any], conditions: Conditions) -> bool:
    """Whether all of them hold. Raises UnreadableError."""
    return all(
        text(value_of(row, column)) in [text(each) for each in (value if isinstance(value, list) else [value])]
        for column, value in conditions.items()
    )


def _added(field: _Field, row: dict[str, Any]) -> Any:
    """None where nothing is there to add up."""

    def all_of(groups: Sequence[list[str]]) -> list[Any]:
        found = (first_of(row, group, field.absent) for group in groups)
        return [field.read(value) for value in found if value is not None]

    parts = all_of(field.rule.sum or [field.rule.column])
    return sum(parts) - sum(all_of(field.rule.minus)) if parts else field.rule.default


def _without_empty_parts(fields: dict[str, Any]) -> dict[str, Any]:
    """Where only a total is known, many systems have 0 for its parts."""
    parts = ("input_tokens", "output_tokens")
    if fields.get("tokens_used") and not any(fields.get(part) for part in (*parts, *CACHE)):
        return {name: value for name, value in fields.items() if name not in parts}
    return fields
