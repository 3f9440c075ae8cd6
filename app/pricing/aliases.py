"""What a deployment calls its models: `TWINMETER_MODEL_ALIASES`, a TOML file of aliases and what they stand for."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import ConfigurationError
from app.pricing.lookups import MAX_NAME
from app.pricing.seller_names import Kind, SellerNames

SETTING = "TWINMETER_MODEL_ALIASES"

_Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]


class Alias(NamedTuple):
    """What an alias stands for: a provider by its id, a model by that provider's name for it, and where it runs."""

    provider: str
    model: str
    region: str | None = None
    of_provider: bool = False
    """Whether it is one for calls of a certain provider alone."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    provider: _Name
    model: _Name
    region: _Name | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    aliases: dict[_Name, _Entry] = {}


class Aliases:
    """The aliases of one deployment; none without a file.

    An alias is a model's name as it is reported, or `provider/model` for calls that name this provider; the second goes
    before the first, and neither distinguishes upper and lower case.
    """

    def __init__(self, path: Path | None = None, knows: Callable[[str], bool] = lambda _: True) -> None:
        """`knows` tells whether a provider has a price list. Raises ConfigurationError naming file and entry."""
        self._aliases: dict[str, Alias] = {}
        for name, entry in (_read(path) if path else {}).items():
            if name.lower() in self._aliases:
                raise ConfigurationError(f"{SETTING}: {path} cannot be used: aliases, {name}: is there twice")
            if (seller := _seller(entry.provider, knows)) is None:
                fault = f"aliases, {name}, provider: {entry.provider} is not a seller that a price list has"
                raise ConfigurationError(f"{SETTING}: {path} cannot be used: {fault}")
            self._aliases[name.lower()] = Alias(seller, entry.model, entry.region)

    def find(self, model: str, provider: str | None) -> Alias | None:
        """What `model` of `provider` stands for, as a caller reports them; None where it stands for itself."""
        if not self._aliases:
            return None
        name = model.strip().lower()
        qualified = self._aliases.get(f"{provider.strip().lower()}/{name}") if provider else None
        return qualified._replace(of_provider=True) if qualified else self._aliases.get(name)


def _seller(provider: str, knows: Callable[[str], bool]) -> str | None:
    """Its id, or another name that a price list has it by."""
    said = SellerNames.packaged().of(provider)
    if said is None:
        return provider.lower() if knows(provider) else None
    return said.seller if said.kind is Kind.SELLER and knows(said.seller) else None


def _read(path: Path) -> dict[str, _Entry]:
    try:
        return _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).aliases
    except ValidationError as error:
        faults = [f"{', '.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise ConfigurationError(f"{SETTING}: {path} cannot be used: {'; '.join(faults)}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{SETTING}: {path} cannot be used: {error}") from error
