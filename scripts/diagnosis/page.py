"""The page: first what needs attention, with what to do, then all that is well."""

import json
from collections import Counter
from collections.abc import Iterable
from itertools import groupby

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from scripts.diagnosis import words
from scripts.diagnosis.finding import Row, Verdict

MARKS = {
    Verdict.PROBLEM: ("✗", "bold red"),
    Verdict.NOTICE: ("!", "yellow"),
    Verdict.UNCHECKED: ("?", "dim"),
    Verdict.OK: ("✓", "green"),
}
NAMES = {Verdict.PROBLEM: "problem", Verdict.NOTICE: "notice", Verdict.OK: "ok", Verdict.UNCHECKED: "not checked"}
PLURALS = {Verdict.PROBLEM: "problems", Verdict.NOTICE: "notices"}
WIDEST = 110


def shown(rows: list[Row], title: str, console: Console) -> None:
    """Print the page."""
    console = Console(width=min(console.width, WIDEST)) if console.width > WIDEST else console
    console.print(Text(title, style="bold"))
    console.print(summary(rows))
    for verdict in (Verdict.PROBLEM, Verdict.NOTICE):
        if found := [row for row in rows if row.finding.verdict is verdict]:
            console.print()
            console.print(Rule(PLURALS[verdict], align="left", style=MARKS[verdict][1]))
            console.print(_in_full(found))
    if well := [row for row in rows if row.finding.verdict is Verdict.OK]:
        console.print()
        console.print(Rule("well", align="left", style="green"))
        console.print(_in_groups(well))
    if unknown := [row for row in rows if row.finding.verdict is Verdict.UNCHECKED]:
        console.print()
        console.print(Rule("not checked", align="left", style="dim"))
        console.print(_by_reason(unknown))


def summary(rows: list[Row]) -> str:
    """How many of each."""
    counts = Counter(row.finding.verdict for row in rows)
    return ", ".join(
        words.counted(counts[verdict], name, PLURALS.get(verdict, name))
        for verdict, name in NAMES.items()
        if counts[verdict]
    )


def as_json(rows: list[Row]) -> str:
    """For machines: how many of each, and every finding."""
    counts = Counter(str(row.finding.verdict) for row in rows)
    checks = [{"group": row.group, "check": row.check, **row.finding._asdict()} for row in rows]
    return json.dumps({**{str(verdict): counts[verdict] for verdict in Verdict}, "checks": checks})


def _in_full(rows: Iterable[Row]) -> Table:
    table = _table()
    for row in rows:
        table.add_row(_mark(row.finding.verdict), Text(row.check, style="bold"), _said(row))
    return table


def _said(row: Row) -> Text:
    advice = f"\n→ {row.finding.advice}" if row.finding.advice else ""
    return Text.assemble(row.finding.said, (advice, "cyan"))


def _in_groups(rows: Iterable[Row]) -> Table:
    table = _table()
    for title, members in groupby(rows, key=lambda row: row.group):
        table.add_row("", Text(title, style="bold"))
        for row in members:
            table.add_row(_mark(row.finding.verdict), row.check, Text(row.finding.said, style="dim"))
    return table


def _by_reason(rows: Iterable[Row]) -> Padding:
    reasons: dict[str, list[str]] = {}
    for row in rows:
        reasons.setdefault(row.finding.said, []).append(row.check)
    lines = [f"? {reason}: {', '.join(checks)}" for reason, checks in reasons.items()]
    return Padding(Text("\n".join(lines), style="dim"), (0, 0, 0, 1))


def _mark(verdict: Verdict) -> Text:
    return Text(*MARKS[verdict])


def _table() -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=2, justify="right")
    table.add_column(width=17)
    table.add_column(overflow="fold")
    return table
