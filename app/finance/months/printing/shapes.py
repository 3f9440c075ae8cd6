"""What a printed report is made of: texts alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    title: str
    right: bool = False
    width: int = 1
    """Of a column of texts, against the others."""


@dataclass(frozen=True)
class Section:
    """A heading with what is below it."""

    title: str
    notes: Sequence[str] = ()
    chart: str | None = None
    """Its name in `charts`."""
    columns: Sequence[Column] = ()
    rows: Sequence[Sequence[str]] = ()
    total: Sequence[str] = ()
    empty: str = ""
    """What is said where there is no row."""


@dataclass(frozen=True)
class Figure:
    """One of the figures at the top."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Layout:
    """A whole report."""

    title: str
    of: str
    mark: str
    """What every page says where the figures are not final; empty otherwise."""
    header: str
    footer: str
    facts: Sequence[tuple[str, str]]
    figures: Sequence[Figure]
    sections: Sequence[Section] = field(default_factory=list)
