"""Settings as an operator reads them: an error names the variable and the way out, and a mistyped name is told."""

import os
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError

from app.errors import ConfigurationError
from app.settings import Settings

PREFIX = "TWINMETER_"
OF_OTHERS = frozenset(
    PREFIX + name
    for name in (
        *("URL", "KEY", "SPOOL", "LIMITS_WHEN_AWAY", "LIMITS_TIMEOUT", "USER", "CONTENT_TYPE", "CONVERSATION"),
        *("DEMO_PROVIDER_KEY", "REQUIRE_BROWSER", "TEST_PATIENCE", "TEST_DAMAGES"),
    )
)
"""Names that mean something to the client in an application beside this server, to the demo or to tests."""
ALIKE = 0.8
"""How alike a name must be to be what was meant, of 1."""
WORDS = {
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "decimal_parsing": "must be a number",
    "bool_parsing": "must be true or false",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
}


def settings_here(**given: Any) -> Settings:
    """The settings of the environment and the `.env` file, and those `given` beside; unknown ones are told on standard
    error. Raises ConfigurationError, which names every variable that cannot be used.
    """
    for line in unknown_settings([*os.environ, *_in_file()]):
        sys.stderr.write(f"warning: {line}\n")
    try:
        return Settings(**given)
    except ValidationError as error:
        raise ConfigurationError("; ".join(faults(error)) + "; .env.example explains each setting") from None


def secret_given(given: SecretStr | None, file: Path | None, name: str) -> str | None:
    """A secret of the environment, else of the file that `NAME_FILE` says; None where there is neither.

    Raises ConfigurationError for a file that cannot be read, or is empty.
    """
    if given is not None:
        return given.get_secret_value().strip()
    if file is None:
        return None
    try:
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name}_FILE: {file} cannot be read") from error
    if not text:
        raise ConfigurationError(f"{name}_FILE: {file} is empty")
    return text


def faults(error: ValidationError) -> list[str]:
    """What is wrong with which variable, without its value: that may be secret."""
    return [_fault(each) for each in error.errors(include_url=False, include_input=False)]


def unknown_settings(names: list[str]) -> list[str]:
    """A sentence on each name of ours that means nothing."""
    known = {PREFIX + field.upper() for field in Settings.model_fields}
    ours = {name.upper() for name in names if name.upper().startswith(PREFIX)}
    return [_unknown(name, known) for name in sorted(ours - known - OF_OTHERS)]


def _fault(error: Any) -> str:
    if not error["loc"]:  # of several settings together
        return str(error["msg"]).removeprefix("Value error, ")
    field, *within = error["loc"]
    name = PREFIX + str(field).upper() + "".join(f" ({each})" for each in within)
    message = WORDS.get(error["type"], error["msg"]).format(**error.get("ctx", {}))
    message = message.removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{name} {message}" if message.startswith("must") else f"{name}: {message}"


def _unknown(name: str, known: set[str]) -> str:
    meant = get_close_matches(name, known, 1, ALIKE)
    return f"{name} is unknown: " + (f"did you mean {meant[0]}?" if meant else "it has no effect")


def _in_file() -> list[str]:
    file = Path(str(Settings.model_config["env_file"]))
    return list(dotenv_values(file)) if file.is_file() else []
