"""Which column of a source is which field, from a small TOML file. Presets for known systems are included.

extends = "api_usage"            # a preset; what is set here takes precedence
id_prefix = "old:"               # prepended to a row's id, so that ids of two systems differ
timezone = "Europe/Berlin"       # of dates without a zone; without it such rows are rejected
delimiter = ";"
encoding = "latin-1"
files = ["*.jsonl"]              # of a folder
input = "exclusive"              # the input leaves the cache out (`output`: the reasoning); else "inclusive", "total"
absent = ["waived"]              # more words that mean that there is nothing
present = ["usage"]              # rows where one of these is empty are left out
ignore = ["*_limit"]             # columns that look like usage and are none
sums = true                      # a row is the sum of many calls
usage = "response.usage"         # a provider's own usage object; what `fields` say comes before it

[where]                          # rows that do not match are left out
event = ["ai_generation", "ai_embedding"]

[unless]                         # rows that match are left out
model = "<synthetic>"

[rows]                           # several rows of one call: the first, the last, their sum or the largest counts
same = "message.id"
keep = "last"

[carry.session]                  # what one row says for those after it in its file: the column `carried.session`
where = { type = "session_meta" }
column = "payload.id"

[fields]                         # the fields of a call as `track_ai_request` accepts them
request_id = "id"
model = ["model_name", "model"]  # the first one that is not empty
client_id = { constant = "acme" }
content_type = { column = "kind", default = "chat" }
request_duration = { column = "seconds", unit = "s" }
cost = { column = "cost_cents", unit = "cents", zero_is_unknown = true }
status = { column = "status", values = { ok = "success", failed = "error" }, otherwise = "error" }
region = { column = "region", optional = true, absent = ["global"] }     # the source need not have the column

More sources than a column: `{ sum = ["a", "b"] }`, `{ column = "a", minus = ["b"] }`, `{ json = "cell", path = "a" }`,
`{ from = "started", to = "ended" }`, `{ join = ["date", "model"], separator = "|" }`, and for a request_id where rows
have none `{ row = "content" }` or `{ row = "number" }`.
"""

import codecs
import tomllib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from app.errors import ConfigurationError
from app.tracking import AICall
from scripts.transfer.columns import NEEDED as NEEDED_OF_ENTRIES
from scripts.transfer.rules import Carry, Rows, Rule, Scalar
from scripts.transfer.units import AMOUNTS, COUNTS, DURATIONS, unit_factor

PRESETS = Path(__file__).with_name("presets")
NEEDED = ("request_id", "user_id", "content_type", "model", "created_at")
TARGETS = frozenset(AICall.model_fields) - {"input_text", "output_text", "aggregated"}
CARRIED = "carried"
_RUNNING = "total_token_usage"
"""Of Codex."""
FILES = ["*.csv", "*.csv.gz", "*.jsonl", "*.jsonl.gz", "*.ndjson", "*.parquet"]

Conditions = dict[str, Scalar | list[Scalar]]


class Mapping(BaseModel):
    """One mapping, checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    reads: str = ""
    """What a preset is for, in a line."""
    entries: bool = False
    """Rows are whole ledger entries, as `export_usage` writes them, with their own names."""
    id_prefix: str = ""
    timezone: str | None = None
    delimiter: str = Field(",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    files: list[str] = FILES
    input: Literal["inclusive", "exclusive", "total"] | None = None
    """Whether `input_tokens` holds the cache, where the row's total is to decide, or nothing is said."""
    output: Literal["inclusive", "exclusive", "total"] | None = None
    """The same of `output_tokens` and the reasoning."""
    absent: list[str] = []
    present: list[str] = []
    ignore: list[str] = []
    sums: bool = False
    usage: Rule | None = None
    where: Conditions = {}
    unless: Conditions = {}
    rows: Rows | None = None
    carry: dict[str, Carry] = {}
    fields: dict[str, Rule] = {}

    @field_validator("fields", mode="before")
    @classmethod
    def _short_forms(cls, fields: dict[str, Any]) -> dict[str, Any]:
        return {name: _rule(rule) for name, rule in fields.items()}

    @field_validator("usage", mode="before")
    @classmethod
    def _short_form(cls, rule: Any) -> Any:
        return _rule(rule)

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
        id_rule = self.fields["request_id"]
        if id_rule.constant is not None or id_rule.default is not None:
            raise ValueError("request_id must come from a column, without a default: it distinguishes rows")
        conditions = (*self.where, *self.unless)
        if signs := sorted(column for column in conditions if column.startswith("$")):
            raise ValueError(f"where names columns, which {', '.join(signs)} is not")
        if self.usage is not None and not self.usage.column:
            raise ValueError("usage takes only the column of a provider's usage object")
        for name, rule in self.fields.items():
            unit_factor(name, rule.unit)
            _check_source(name, rule)
        return self

    @property
    def zone(self) -> ZoneInfo | None:
        return None if self.timezone is None else ZoneInfo(self.timezone)

    @property
    def of_sums(self) -> bool:
        """Whether every row is the sum of many calls."""
        return self.sums or "aggregated_requests" in self.fields

    @cached_property
    def has_own_ids(self) -> bool:
        """Whether rows have an id that is nothing else besides, as the id of a call is."""
        others = {column for name, rule in self.fields.items() if name != "request_id" for column in rule.columns}
        return not set(self.fields["request_id"].columns) <= others

    @cached_property
    def columns(self) -> frozenset[str]:
        """Every column of the source that it names."""
        rules = [*self.fields.values(), *([self.usage] if self.usage else [])]
        named = {column for rule in rules for column in rule.columns}
        named |= {column for carry in self.carry.values() for column in (*carry.where, *carry.column)}
        named |= {*self.where, *self.unless, *self.present, *(self.rows.same if self.rows else [])}
        return frozenset(column for column in named if not column.startswith(f"{CARRIED}."))

    def missing(self, columns: Iterable[str]) -> list[str]:
        """What is not among `columns`, each with the field that needs it. A path is there where its object is, as
        nobody knows what a cell holds, unless `columns` has paths of that object.
        """
        there = set(columns)
        if self.entries:
            return [column for column in NEEDED_OF_ENTRIES if column not in there]
        wanting = [(name, group) for name, rule in self.fields.items() if not rule.optional for group in rule.groups]
        if self.usage is not None and not self.usage.optional:
            wanting.append(("usage", self.usage.column))
        wanting += [("where", [column]) for column in self.where]
        return [
            f"{' or '.join(group)} (for {name})"
            for name, group in wanting
            if not any(_is_there(column, there) for column in group)
        ]


def _rule(given: Any) -> Any:
    return {"column": given} if isinstance(given, str | list) else given


def _is_there(column: str, there: set[str]) -> bool:
    if column in there or column.startswith(f"{CARRIED}."):
        return True
    heads = [column[:place] for place, sign in enumerate(column) if sign == "."]
    return any(head in there and not any(name.startswith(f"{head}.") for name in there) for head in heads)


def _check_source(name: str, rule: Rule) -> None:
    """That the field is of a kind for which there is such a source. Raises ValueError."""
    numeric = name in COUNTS | AMOUNTS
    if rule.is_sum and not numeric:
        raise ValueError(f"{name} is not a number, so it cannot be a sum")
    if name in COUNTS and not rule.minus and (running := [each for each in rule.columns if _RUNNING in each]):
        raise ValueError(f"{running[0]} is the running total of a session, not of a call: use last_token_usage")
    if (rule.join or rule.row) and (numeric or name == "created_at"):
        raise ValueError(f"{name} is not a string, so it cannot come from several columns or from the row")
    if rule.start and name not in {*DURATIONS, "created_at"}:
        raise ValueError(f"{name} is not a duration, so it has no from and to")


def presets() -> list[str]:
    """The names of the presets."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def described_presets() -> str:
    """Every preset and what it reads, a line each."""
    known = [read_mapping(name) for name in presets()]
    width = max(len(mapping.name) for mapping in known)
    return "".join(f"{mapping.name:{width}}  {mapping.reads}\n" for mapping in known)


def fitting(columns: Iterable[str]) -> list[str]:
    """The presets that find all that they need among `columns`."""
    there = list(columns)
    return [name for name in presets() if not read_mapping(name).missing(there)]


def advice(columns: Iterable[str]) -> str:
    """Which preset would fit a source with these columns, as the end of a sentence; empty where none does."""
    fit = fitting(columns)
    return f"; --preset {' or '.join(fit)} would fit" if fit else ""


def read_mapping(name: str, timezone: str | None = None, user: str | None = None) -> Mapping:
    """The preset or the file of that name; `timezone` comes before its own, and `user` is whose calls they are where
    a row does not say. Raises ConfigurationError naming it.
    """
    try:
        told = _read(name)
        if user is not None and "fields" in told:
            told["fields"]["user_id"] = _of_user(told["fields"].get("user_id"), user)
        return Mapping.model_validate({**told, "name": name, **({"timezone": timezone} if timezone else {})})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        known = ", ".join(presets())
        raise ConfigurationError(f"the mapping {name} cannot be read: {error} (presets: {known})") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ConfigurationError(f"the mapping {name} cannot be used: {faults}") from error


def read_preset(name: str, timezone: str | None = None, user: str | None = None) -> Mapping:
    """The preset of that name. Raises ConfigurationError that lists them all where there is none."""
    if name not in presets():
        raise ConfigurationError(f"unknown preset {name}; the presets are:\n{described_presets()}".rstrip())
    return read_mapping(name, timezone, user)


def _of_user(rule: Any, user: str) -> dict[str, Any]:
    rule = _rule(rule) if rule is not None else {}
    return {"constant": user} if "constant" in rule or not rule else {**rule, "default": user}


def _read(name: str) -> dict[str, Any]:
    path = PRESETS / f"{name}.toml" if name in presets() else Path(name)
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    if (base := told.pop("extends", None)) is None:
        return told
    if base not in presets():
        raise OSError(f"extends names {base!r}, which is not a preset")
    below = _read(base)
    return {**below, **told, "fields": below.get("fields", {}) | told.get("fields", {})}
