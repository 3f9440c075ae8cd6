"""What is wrong with a report, field by field."""

from typing import Any, NamedTuple

from pydantic import ValidationError

from models.base import snake
from models.fields import NAME_PATTERN

MOST_FAULTS = 20
"""Faults of one report that are told; the others are counted."""
MORE = "..."
"""The field of what is said instead of the other faults: how many there are."""
MAX_FIELD = 256
"""Characters of a field's name that are told, as many as any name has."""
_OF_LISTS = frozenset({"tuple_type", "too_short", "too_long"})
"""Pydantic's names for what is wrong with them. Whoever sends JSON knows no tuples."""


class Fault(NamedTuple):
    """One thing wrong with a report."""

    field: str
    """Snake_case name; a metadata key follows a dot. An unknown name stays as it was sent."""
    message: str


def faults_of(error: ValidationError, most: int = MOST_FAULTS) -> list[Fault]:
    """What a model found wrong with what it was given: the first faults, and how many more there are."""
    faults = [Fault(_field_of(detail), _message_of(detail)) for detail in error.errors(include_url=False)[:most]]
    left = error.error_count() - len(faults)
    return [*faults, Fault(MORE, f"and {left:,} more")] if left else faults


def shortened(name: str) -> str:
    """A field's name, as far as it is told."""
    return name if len(name) <= MAX_FIELD else f"{name[:MAX_FIELD]}…"


def _field_of(detail: Any) -> str:
    if "field" in detail.get("ctx", {}):
        return str(detail["ctx"]["field"])
    first, *rest = [str(part) for part in detail["loc"] if part != "[key]"] or [""]
    return shortened(".".join([first if detail["type"] == "extra_forbidden" else snake(first), *rest]))


def _message_of(detail: Any) -> str:
    if detail["type"] == "extra_forbidden":
        return "unknown field; /schema lists the known ones"
    if detail["type"] in _OF_LISTS:
        return str(detail["msg"]).replace("valid tuple", "valid list").replace("Tuple", "List")
    if detail["type"] != "string_pattern_mismatch":
        return str(detail["msg"])
    if "[key]" in detail["loc"]:
        return "a key has 1 to 64 characters, no dot and no control character, and does not start with $"
    pattern = detail["ctx"]["pattern"]
    return "must not contain control characters" if pattern == NAME_PATTERN else f"must match {pattern}"


def fields_at_fault(error: ValidationError) -> list[str]:
    """The fields of a stored document that a model could not read, as they are stored."""
    return sorted({str(detail["loc"][0]) if detail["loc"] else "" for detail in error.errors(include_url=False)})
