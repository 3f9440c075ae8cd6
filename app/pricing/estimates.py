"""What a call is assumed to have used when its caller does not say."""

import tomllib
from decimal import ROUND_HALF_EVEN, Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import ConfigurationError
from models import TokenUsage

BUILT_IN = Path(__file__).with_name("estimates.toml")
CHARACTERS_PER_TOKEN = 4
"""A usual figure for English text and current tokenizers; code and other languages have fewer characters per token."""
REMEMBERED_MODELS = 1_000


class Habit(BaseModel):
    """How a model is used."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input_share: Annotated[Decimal, Field(ge=0, le=1)]
    input_tokens: Annotated[int, Field(ge=0)]
    output_tokens: Annotated[int, Field(ge=0)]

    def of_total(self, tokens: int) -> TokenUsage:
        """A known total, split."""
        share = int((tokens * self.input_share).to_integral_value(ROUND_HALF_EVEN))
        return TokenUsage(input_tokens=share, output_tokens=tokens - share)

    def of_texts(self, input_text: str | None, output_text: str | None) -> TokenUsage:
        """The approximate number of tokens of the texts; the average for an unknown one."""
        return TokenUsage(
            input_tokens=self.input_tokens if input_text is None else _tokens_of(input_text),
            output_tokens=self.output_tokens if output_text is None else _tokens_of(output_text),
        )

    def average(self) -> TokenUsage:
        return TokenUsage(input_tokens=self.input_tokens, output_tokens=self.output_tokens)


class _ModelHabit(Habit):
    names: list[str]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    default: Habit | None = None
    models: list[_ModelHabit] = []


class Estimates:
    """The typical usage of one deployment's models."""

    def __init__(self, path: Path | None = None) -> None:
        """Read the built-in file and, before it, `path`. Raises ConfigurationError naming the file."""
        files = [_read(file) for file in (path, BUILT_IN) if file is not None]
        self._models = [habit for file in files for habit in file.models]
        self._default = next(file.default for file in files if file.default is not None)
        self.habit = lru_cache(REMEMBERED_MODELS)(self._find)

    def _find(self, model: str) -> Habit:
        name = model.lower()
        fitting = (habit for habit in self._models if any(fnmatchcase(name, pattern) for pattern in habit.names))
        return next(fitting, self._default)


def _tokens_of(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def _read(path: Path) -> _File:
    try:
        return _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigurationError(f"TWINMETER_ESTIMATES_FILE: {path} cannot be used: {error}") from error
