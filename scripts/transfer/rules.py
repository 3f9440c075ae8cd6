"""One rule of a mapping: where one field of a call comes from."""

from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Scalar = bool | int | str
Names = list[str]
"""Columns, of which the first that is not empty counts."""


def names(given: object) -> object:
    """One name, or several, as a list."""
    return [given] if isinstance(given, str) else given


class Rule(BaseModel):
    """Where one field of a call comes from: exactly one source, and what is made of what stands there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    constant: Scalar | None = None
    column: Names = []
    sum: list[Names] = []
    """Columns to add up, of which those that are empty count as 0."""
    join: list[Names] = []
    """Columns that together make a text, with `separator` between them."""
    separator: str = "|"
    start: Names = Field([], alias="from")
    """With `to`: a duration between two times or, for `created_at`, the middle between them."""
    to: Names = []
    row: Literal["content", "number"] | None = None
    """An id for rows that have none: what the row says, or the file's name and the row's number in it."""

    minus: list[Names] = []
    """Columns to take away from `column` or `sum`."""
    default: Scalar | None = None
    """For rows where the columns are empty."""
    unit: str | None = None
    values: dict[str, Scalar] = {}
    """What stands in the source, in lower case, and what it means. Others are `otherwise`, or taken as they are."""
    otherwise: Scalar | None = None
    absent: list[str] = []
    """Words that mean that there is nothing, in any case."""
    optional: bool = False
    needed: bool = False
    """A row where it is empty is rejected."""
    zero_is_unknown: bool = False

    @model_validator(mode="before")
    @classmethod
    def _json_is_a_column(cls, given: Any) -> Any:
        """`json` names a column that holds JSON as a text, `path` what is meant inside: a dot leads there too."""
        if not isinstance(given, dict) or "json" not in given:
            return given
        rest = {name: value for name, value in given.items() if name not in {"json", "path"}}
        paths = names(given.get("path"))
        if not isinstance(paths, list) or not isinstance(given["json"], str) or "column" in rest:
            raise ValueError("json needs a path beside it, and no column")
        return {**rest, "column": [f"{given['json']}.{path}" for path in paths]}

    @field_validator("column", "start", "to", mode="before")
    @classmethod
    def _one_or_many(cls, given: object) -> object:
        return names(given)

    @field_validator("sum", "join", "minus", mode="before")
    @classmethod
    def _each_one_or_many(cls, given: object) -> object:
        return [names(each) for each in given] if isinstance(given, list) else given

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        ways = [self.constant is not None, self.column, self.sum, self.join, self.start, self.row]
        if sum(map(bool, ways)) != 1:
            raise ValueError("needs a column or a constant, but not both; or sum, join, from and to, or row")
        if bool(self.start) != bool(self.to):
            raise ValueError("needs both from and to")
        if self.minus and not (self.column or self.sum):
            raise ValueError("minus needs a column or a sum to take away from")
        return self

    @property
    def is_sum(self) -> bool:
        return bool(self.sum or self.minus)

    @property
    def groups(self) -> list[Names]:
        """Its columns: of each group one must be there."""
        return [group for group in (self.column, *self.sum, *self.minus, *self.join, self.start, self.to) if group]

    @property
    def columns(self) -> Iterable[str]:
        """Every column that it names."""
        return (name for group in self.groups for name in group)


class Carry(BaseModel):
    """What a row says for those after it in the same file, such as the model of a session."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: dict[str, Scalar | list[Scalar]]
    column: Names

    @field_validator("column", mode="before")
    @classmethod
    def _one_or_many(cls, given: object) -> object:
        return names(given)


class Rows(BaseModel):
    """Several rows of one call, which lie near each other in a file: which of them counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    same: Names = []
    """What they have in common; the id of the call, where nothing is said."""
    keep: Literal["first", "last", "sum", "max"] = "last"
    """`sum` and `max` are of counts and costs; all else is the last row's."""

    @field_validator("same", mode="before")
    @classmethod
    def _one_or_many(cls, given: object) -> object:
        return names(given)
