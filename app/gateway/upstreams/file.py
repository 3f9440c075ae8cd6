"""The gateway's TOML file: what may be in it, and what is wrong with one, by line, table and field.

No message has a value of the file: a key that was pasted into the wrong place would be in the log.
"""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from app.errors import ConfigurationError
from app.gateway.upstreams.lines import Place, line_of

SETTING = "TWINMETER_GATEWAY_FILE"
LONGEST_FILE = 1_000_000
MOST_NAMED = 10
"""Faults of one file that are told at once."""

UPSTREAM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAME = re.compile(r"[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]{0,254}[^\x00-\x20\x7f])?")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,127}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_VALUE = re.compile(r"[!-~]([ -~]{0,4094}[!-~])?")
_URL = re.compile(r"[!-~]{1,2000}")
_OURS = {"host", "connection", "content-length", "content-type", "transfer-encoding", "accept-encoding", "te", "expect"}
"""Headers that a request has by itself."""


class Fault(NamedTuple):
    """Something that cannot be used."""

    place: Place
    message: str


class GatewayFileError(ConfigurationError):
    """A file that cannot be used."""

    def __init__(self, path: Path, text: str, faults: Sequence[Fault]) -> None:
        named = [_told(text, fault) for fault in faults[:MOST_NAMED]]
        if more := len(faults) - len(named):
            named.append(f"and {more} more")
        super().__init__(f"{SETTING}: {path} cannot be used: {'; '.join(named)}")
        self.where = _where(text, faults[0])
        """Of the first fault, the line and the field: what anybody may see."""


def _checked(pattern: re.Pattern[str], message: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if isinstance(value, str) and not pattern.fullmatch(value):
            raise ValueError(message)
        return value

    return BeforeValidator(check)


ModelName = Annotated[str, _checked(_NAME, "must be the name of a model, of 1 to 256 characters")]
Header = Annotated[str, _checked(_TOKEN, "must be the name of a header, such as HTTP-Referer")]
Text = Annotated[str, _checked(_VALUE, "must be one line of plain ASCII")]
Variable = Annotated[
    str,
    _checked(_VARIABLE, "must be the name of an environment variable, in capitals: OPENAI_API_KEY, and not the key"),
]
ProviderId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


StreamUsage = Literal["asked", "given"]
"""Whether a stream of OpenAI's chat has its usage where it is asked for, or always; then nobody must ask."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class UpstreamTable(_Table):
    """`[upstreams.NAME]`."""

    format: Literal["openai", "anthropic", "gemini"] | None = None
    base_url: Annotated[str, _checked(_URL, "must be an http:// or https:// address")] | None = None
    key_env: Variable | None = None
    key_file: Annotated[str, Field(min_length=1)] | None = None
    key_header: Header | None = None
    provider: ProviderId | None = None
    models: Annotated[list[ModelName], Field(min_length=1, max_length=10_000)] = ["*"]
    stream_usage: StreamUsage | None = None
    headers: dict[Header, Text] = {}
    query: dict[Annotated[str, Field(min_length=1)], Text] = {}
    connect_seconds: float = Field(10, ge=0.1, le=60)
    first_byte_seconds: float = Field(600, ge=1, le=3_600)
    silence_seconds: float = Field(300, ge=1, le=3_600)


class ModelTable(_Table):
    """`[models.NAME]`: what a name stands for, and who is asked when that fails."""

    to: ModelName
    fallbacks: Annotated[list[ModelName], Field(max_length=9)] = []


class DefaultsTable(_Table):
    """`[defaults]`: the model of a request to an address of our own that names none."""

    chat: ModelName | None = None
    image: ModelName | None = None
    video: ModelName | None = None


class GatewayFile(_Table):
    """The whole of it."""

    unknown_models: Literal["pass", "refuse"] = "refuse"
    upstreams: dict[str, UpstreamTable] = Field(min_length=1)
    models: dict[ModelName, ModelTable] = {}
    defaults: DefaultsTable = DefaultsTable()


class ReadFile(NamedTuple):
    """A file in its form; whether what it names is there is yet to be seen."""

    path: Path
    text: str
    file: GatewayFile
    changed: int
    """When, in Unix seconds."""

    def error(self, faults: Sequence[Fault]) -> GatewayFileError:
        return GatewayFileError(self.path, self.text, faults)


def read(path: Path) -> ReadFile:
    """Raises GatewayFileError."""
    try:
        content, changed = path.read_bytes(), int(path.stat().st_mtime)
        text = content.decode()
    except OSError as error:
        raise GatewayFileError(path, "", [Fault((), f"it cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise GatewayFileError(path, "", [Fault((), f"line {line}: it is not UTF-8")]) from error
    if len(content) > LONGEST_FILE:
        raise GatewayFileError(path, "", [Fault((), f"it has more than {LONGEST_FILE:,} bytes")])
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise GatewayFileError(path, "", [Fault((), f"it is not TOML: {error}")]) from error
    try:
        return ReadFile(path, text, GatewayFile.model_validate(document), changed)
    except ValidationError as error:
        raise GatewayFileError(path, text, _faults(error)) from None  # its context has the values


def header_faults(name: str, table: UpstreamTable) -> list[Fault]:
    """Headers that a file must not set."""
    place = ("upstreams", name, "headers")
    return [
        Fault((*place, header), "is one that the gateway sets itself: leave it out")
        for header in table.headers
        if header.lower() in _OURS or header.lower().startswith("x-twinmeter-")
    ]


def _faults(error: ValidationError) -> list[Fault]:
    return [
        Fault(tuple(part for part in each["loc"] if part != "[key]"), _message(each["type"], each["msg"], each["loc"]))
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _message(kind: str, message: str, place: Place) -> str:
    if kind == "extra_forbidden":
        return f"is no field; {_fields(place)}"
    if kind == "missing":
        return "is missing"
    return message.removeprefix("Value error, ").replace("Input should", "should")


def _fields(place: Place) -> str:
    if place[-1] in {"key", "api_key", "apikey", "token"}:
        return "a key is never in this file: key_env names the environment variable that has it, key_file the file"
    tables: dict[str, type[BaseModel]] = {"upstreams": UpstreamTable, "defaults": DefaultsTable}
    table = GatewayFile if len(place) == 1 else tables.get(str(place[0]), ModelTable)
    return f"there are {', '.join(table.model_fields)}"


def _where(text: str, fault: Fault) -> str:
    line = line_of(text, fault.place) if text and fault.place else None
    field = next((part for part in reversed(fault.place) if isinstance(part, str)), None)
    return ", ".join([*([f"line {line}"] if line else []), *([str(field)] if field else [])]) or "the file"


def _told(text: str, fault: Fault) -> str:
    if not fault.place:
        return fault.message
    line = line_of(text, fault.place) if text else None
    of_table = 0 if len(fault.place) == 1 else 1 if fault.place[0] == "defaults" else 2
    table, field = fault.place[:of_table], fault.place[of_table:]
    named = ".".join(_spelled(part) for part in table)
    words = (f"line {line}" if line else "", f"[{named}]" if named else "", _path(field))
    return f"{', '.join(word for word in words if word)} {fault.message}"


def _path(field: Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{_spelled(part)}" for part in field).removeprefix(".")


def _spelled(part: str | int) -> str:
    """As TOML spells it; a name that is no bare one may be anything, and so is cut."""
    text = str(part)[:80]
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else "'" + re.sub(r"[^ -~]|'", "?", text) + "'"
