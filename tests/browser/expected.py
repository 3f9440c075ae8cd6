"""What a tab has to show, from what the JSON routes answer."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

from tests.browser.deployment import Served
from tests.browser.reading import exact

Answers = dict[str, Any]
Row = dict[str, Any]
SHOWN = 10
"""Rows of a ranking before the rest."""


class Rest(NamedTuple):
    """The figures of the row that stands for all others: what the first rows leave of these totals."""

    totals: str | None
    """Where the totals are; None: the ranking's own rows, of which more than the first ten are folded."""
    columns: tuple[str, ...] = ("requests", "cost")


@dataclass(frozen=True)
class Table:
    """Rows of an answer as a table shows them."""

    rows: str
    """Where they are: `answer.key`."""
    key: Callable[[Row], str]
    columns: tuple[str, ...]
    shown: int | None = None
    """Only so many, where the answer has more."""
    rest: Rest | None = None
    empty: str | None = None
    """A row in which this figure is 0 is left out."""


@dataclass(frozen=True)
class Tab:
    """What a tab asks for, and the figures that it has to show."""

    asks: dict[str, tuple[str, Answers]]
    figures: dict[str, str | Callable[[Answers], Any]]
    tables: dict[str, Table]

    def answers(self, server: Served, **params: Any) -> Answers:
        """What the routes answer to the same questions."""
        return {name: server.get(path, **_asked(path, more, params)) for name, (path, more) in self.asks.items()}


def _asked(path: str, more: Answers, params: Answers) -> Answers:
    whole = ("overview", "stats", "summary")
    if path.endswith("/technical"):
        return more
    return {**({"synthetic": params["synthetic"]} if path.endswith(whole) else params), **more}


def at(of: Any, path: str) -> Any:
    """The value at `a.b.c`."""
    return reduce(lambda value, name: value[name], path.split("."), of)


def figures(tab: Tab, answers: Answers) -> Row:
    """The key figures, as the routes give them."""
    found = {name: at(answers, of) if isinstance(of, str) else of(answers) for name, of in tab.figures.items()}
    return {name: exact(value) for name, value in found.items()}


def tables(tab: Tab, answers: Answers) -> dict[str, dict[str, Row]]:
    """The rows of each panel, by their key."""
    return {panel: _rows(table, answers) for panel, table in tab.tables.items()}


def _rows(table: Table, answers: Answers) -> dict[str, Row]:
    rows = [row for row in at(answers, table.rows) if table.empty is None or row[table.empty]]
    own = table.rest is not None and table.rest.totals is None
    cut = SHOWN if own and len(rows) > SHOWN + 1 else table.shown or len(rows)
    found = {table.key(row): {name: exact(cell(row, name)) for name in table.columns} for row in rows[:cut]}
    if table.rest and (rest := _rest(table.rest, answers, rows, cut)):
        found["other"] = rest
    return found


def _rest(rest: Rest, answers: Answers, rows: list[Row], cut: int) -> Row | None:
    if rest.totals is None:
        return {name: _sum(rows[cut:], name) for name in rest.columns} if cut < len(rows) else None
    totals = at(answers, rest.totals)
    left = {name: exact(totals[name] - _sum(rows[:cut], name)) for name in rest.columns}
    return left if left["requests"] else None


def _sum(rows: Iterable[Row], name: str) -> Any:
    return sum((cell(row, name) for row in rows), start=exact(0))  # type: ignore[call-overload]


def cell(row: Row, name: str) -> Any:
    """A figure of a row under the name that it has in tables."""
    tokens = row.get("tokens")
    if name == "tokensTotal":
        return tokens["total"] if isinstance(tokens, dict) else tokens
    if name in {"inputTokens", "outputTokens"} and isinstance(tokens, dict):
        return tokens[name.removesuffix("Tokens")]
    if name in {"p50", "p95", "p99"} and "latency" in row:
        return row["latency"][name]
    if name in {"firstToken", "tokensPerSecond"}:
        return row[{"firstToken": "timeToFirstToken"}.get(name, name)]["p50"]
    return row[name]


def quality(where: str) -> Callable[[Answers], str]:
    """How many calls of a sum of costs are unpriced and estimated."""

    def of(answers: Answers) -> str:
        totals = at(answers, where)
        return f"{totals['unpriced']}/{totals['estimated']}"

    return of


def key_of(*names: str) -> Callable[[Row], str]:
    """What a row is known by in its table."""
    return lambda row: " ".join(str(row[name]) for name in names)


def counted(rows: str, name: str = "requests") -> Callable[[Answers], Any]:
    """The sum of a figure over rows."""
    return lambda answers: _sum(at(answers, rows), name)
