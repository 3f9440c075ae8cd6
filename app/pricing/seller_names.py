"""Whom a provider's name stands for: the table `seller_names.toml`, whose own comments explain its rows."""

import tomllib
from collections.abc import Iterator
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import NamedTuple, Self

TABLE = Path(__file__).with_name("seller_names.toml")

_HYPHENS = str.maketrans("_ ", "--")


class Kind(StrEnum):
    """What a name says of the seller."""

    SELLER = "seller"
    """Who it is, by its id in the price lists."""
    SILENT = "silent"
    """Nothing: it names a framework or a gateway."""
    ELSEWHERE = "elsewhere"
    """That it is somebody whom no price list has, or a machine of the caller's own."""
    UNKNOWN = "unknown"
    """Nothing that anybody knows."""


class Said(NamedTuple):
    """What a name says; the id is that of a seller."""

    kind: Kind
    seller: str = ""


class SellerNames:
    """The table, by name."""

    def __init__(self, path: Path = TABLE) -> None:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        self._rows = {name: Said(Kind.SELLER, seller) for seller, names in table["sellers"].items() for name in names}
        self._rows |= {name: Said(Kind.SILENT) for names in table["silent"].values() for name in names}
        self._rows |= {name: Said(Kind.ELSEWHERE) for names in table["elsewhere"].values() for name in names}
        self._clouds = [
            (word, Said(Kind.SELLER, seller) if seller else Said(Kind.ELSEWHERE))
            for word, seller in table["clouds"].items()
        ]
        self._makers = [(maker, pattern) for maker, patterns in table["makers"].items() for pattern in patterns]
        self.products = frozenset(table["products"]["names"])

    @classmethod
    @cache
    def packaged(cls) -> Self:
        """The one that ships with twinmeter, read once."""
        return cls()

    def of(self, name: str) -> Said | None:
        """What `name` says; None for a name that is not in the table, which price lists may know all the same."""
        plain = name.strip().lower().translate(_HYPHENS)
        found = next((self._rows[start] for start in _starts(plain) if start in self._rows), None)
        return found or next((said for word, said in self._clouds if word in plain), None)

    def maker_of(self, model: str) -> str | None:
        """Who made `model` (in lower case) and sells it, where nobody else runs it by themselves."""
        return next((maker for maker, pattern in self._makers if fnmatchcase(model, pattern)), None)


def _starts(name: str) -> Iterator[str]:
    """The whole name, and then what stands before each of its dots, the last one first."""
    while name:
        yield name
        name = name.rpartition(".")[0]
