"""What is wrong with a report, field by field."""

from typing import Any, NamedTuple

from pydantic import ValidationError

from models.base import snake


class Fault(NamedTuple):
    """One thing wrong with a report."""

    field: str
    """Snake_case name; a metadata key follows a dot. An unknown name stays as it was sent."""
    message: str


def faults_of(error: ValidationError) -> list[Fault]:
    """Every fault that a model found in what it was given."""
    return [Fault(_field_of(detail), _message_of(detail)) for detail in error.errors(include_url=False)]


def _field_of(detail: Any) -> str:
    if "field" in detail.get("ctx", {}):
        return str(detail["ctx"]["field"])
    first, *rest = [str(part) for part in detail["loc"] if part != "[key]"] or [""]
    return ".".join([first if detail["type"] == "extra_forbidden" else snake(first), *rest])


def _message_of(detail: Any) -> str:
    if detail["type"] == "extra_forbidden":
        return "unknown field; /schema lists the known ones"
    if detail["type"] != "string_pattern_mismatch":
        return str(detail["msg"])
    if "[key]" in detail["loc"]:
        return "a key has 1 to 64 characters, no dot and no control character, and does not start with $"
    return "must not contain control characters"
