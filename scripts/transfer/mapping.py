"""Which column of a source is which field, from a small TOML file. Presets for known systems are included.

extends = "api_usage"            # a preset; what is set here takes precedence
id_prefix = "old:"               # prepended to a row's id, so that ids of two systems differ
timezone = "Europe/Berlin"       # of dates without a zone; without it such rows are rejected
delimiter = ";"
encoding = "latin-1"

[where]                          # rows that do not match are left out
event = "ai_generation"

[fields]                         # the fields of a call as `track_ai_request` accepts them
request_id = "id"
model = ["model_name", "model"]  # the first one that is not empty
client_id = { constant = "acme" }
content_type = { column = "kind", default = "chat" }
request_duration = { column = "seconds", unit = "s" }
cost = { column = "cost_cents", unit = "cents", zero_is_unknown = true }
status = { column = "status", values = { ok = "success", failed = "error" } }
region = { column = "region", optional = true }     # the source need not have the column
"""

import codecs
import tomllib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from app.errors import ConfigurationError
from app.tracking import AICall
from scripts.transfer.units import unit_factor

PRESETS = Path(__file__).with_name("presets")
NEEDED = ("request_id", "user_id", "content_type", "model", "created_at")
TARGETS = frozenset(AICall.model_fields) - {"input_text", "output_text"}

Scalar = bool | int | str


class Rule(BaseModel):
    """Where one field of a call comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: list[str] = []
    constant: Scalar | None = None
    default: Scalar | None = None
    """For rows where the columns are empty."""
    unit: str | None = None
    values: dict[str, Scalar] = {}
    """Values in the source, in lower case, and what they mean. Others are taken as they are."""
    optional: bool = False
    zero_is_unknown: bool = False

    @field_validator("column", mode="before")
    @classmethod
    def _one_or_many(cls, given: object) -> object:
        return [given] if isinstance(given, str) else given

    @model_validator(mode="after")
    def _some_source(self) -> Self:
        if (self.constant is None) != bool(self.column):
            raise ValueError("needs a column or a constant, but not both")
        return self


class Mapping(BaseModel):
    """One mapping, checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    entries: bool = False
    """Rows are whole ledger entries, as `export_usage` writes them, with their own names."""
    id_prefix: str = ""
    timezone: str | None = None
    delimiter: str = Field(",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    where: dict[str, Scalar] = {}
    fields: dict[str, Rule] = {}

    @field_validator("fields", mode="before")
    @classmethod
    def _short_forms(cls, fields: dict[str, Any]) -> dict[str, Any]:
        return {name: {"column": rule} if isinstance(rule, str | list) else rule for name, rule in fields.items()}

    @field_validator("encoding")
    @classmethod
    def _lines_are_bytes(cls, name: str) -> str:
        try:
            if codecs.lookup(name) and ",\n".encode(name) == b",\n":
                return name
        except LookupError:
            pass
        raise ValueError(f"{name!r} is not an encoding that can be read line by line: convert the file to UTF-8 first")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        try:
            return name and ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{name!r} is not a valid IANA time zone, such as Europe/Berlin") from None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.entries:
            return self
        if unknown := sorted(self.fields.keys() - TARGETS):
            raise ValueError(f"unknown field {', '.join(unknown)}")
        if missing := [name for name in NEEDED if name not in self.fields]:
            raise ValueError(f"a call needs {', '.join(missing)}")
        if not self.fields["request_id"].column or self.fields["request_id"].default is not None:
            raise ValueError("request_id must come from a column, without a default: it distinguishes rows")
        if signs := sorted(column for column in self.where if column.startswith("$")):
            raise ValueError(f"where names columns, which {', '.join(signs)} is not")
        for name, rule in self.fields.items():
            unit_factor(name, rule.unit)
        return self

    @property
    def zone(self) -> ZoneInfo | None:
        return None if self.timezone is None else ZoneInfo(self.timezone)

    @cached_property
    def columns(self) -> frozenset[str]:
        """Every column that it names."""
        return frozenset(self.where).union(*(rule.column for rule in self.fields.values()))

    def missing(self, columns: Iterable[str]) -> list[str]:
        """Those not among `columns`, each with the field that needs it."""
        there = set(columns)
        wanting = [(name, rule.column) for name, rule in self.fields.items() if rule.column and not rule.optional]
        wanting += [("where", [column]) for column in self.where]
        return [f"{' or '.join(named)} (for {name})" for name, named in wanting if there.isdisjoint(named)]


def presets() -> list[str]:
    """The names of the presets."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def read_mapping(name: str, timezone: str | None = None) -> Mapping:
    """The preset or the file of that name; `timezone` overrides its own. Raises ConfigurationError naming it."""
    try:
        told = _read(name)
        return Mapping.model_validate({**told, "name": name, **({"timezone": timezone} if timezone else {})})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        known = ", ".join(presets())
        raise ConfigurationError(f"the mapping {name} cannot be read: {error} (presets: {known})") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ConfigurationError(f"the mapping {name} cannot be used: {faults}") from error


def _read(name: str) -> dict[str, Any]:
    path = PRESETS / f"{name}.toml" if name in presets() else Path(name)
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    if (base := told.pop("extends", None)) is None:
        return told
    if base not in presets():
        raise OSError(f"extends names {base!r}, which is not a preset")
    below = _read(base)
    return {**below, **told, "fields": below.get("fields", {}) | told.get("fields", {})}
