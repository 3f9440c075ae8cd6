"""What changed in the cost between two windows, and why: `parts.decomposition` has the causes and their formulas."""

from collections.abc import Callable, Hashable, Iterable
from datetime import datetime
from operator import add
from typing import Any, NamedTuple, TypeVar

from app.reports.explained import (
    Effects,
    Explained,
    ExplainedModel,
    ExplainedPart,
    ExplainedUser,
    ExplainReport,
    OtherUsers,
    Side,
    Status,
)
from app.reports.parts.decomposition import EFFECTS, Ratio, Sums, effects_of, sums_of
from app.reports.parts.figures import described, summed
from app.reports.parts.user_days import rows_of_user
from app.reports.parts.user_sheets import UserSheets
from app.reports.periods import Comparison
from app.reports.queries import rollups
from app.reports.query import ReportQuery
from app.reports.reader import Document, Documents, Reader
from models.money import stored_units, usd_of_units
from models.rollups import PART, USER_TOTALS

TOP = 20
K = TypeVar("K", bound=Hashable)


class ExplainParts(NamedTuple):
    """What the report needs of both windows, as MongoDB returns it."""

    now: Documents
    before: Documents
    users_now: Documents
    users_before: Documents
    users: int
    """How many users there are in both together."""


async def from_cells(read: Reader, comparison: Comparison, sheets: UserSheets) -> ExplainParts:
    """From the rollups."""
    now, before = comparison.now, comparison.before
    names, users = await sheets.differing(now, before, "cost", TOP)
    return ExplainParts(
        now=await read.cells(rollups.by_part(now)),
        before=await read.cells(rollups.by_part(before)),
        users_now=await _users(read, now, sheets, names),
        users_before=await _users(read, before, sheets, names),
        users=users,
    )


async def _users(read: Reader, query: ReportQuery, sheets: UserSheets, names: list[str]) -> Documents:
    among = set(names)
    merged = await read.cells(rollups.merged_users(query, names)) if names else []
    waiting = [{**row, "_id": user} for row in await sheets.waiting(query) if (user := row["_id"]["user"]) in among]
    return [*merged, *waiting]


async def of_user(read: Reader, comparison: Comparison) -> ExplainParts:
    """Of one user, from what is kept of its days, else from the ledger."""
    now, before = [
        [{**row, "_id": {name: row[name] for name in PART}} for row in await rows_of_user(read, query)]
        for query in (comparison.now, comparison.before)
    ]
    name = comparison.now.filters.user_id
    users_now, users_before = [[{**row, "_id": name} for row in rows] for rows in (now, before)]
    return ExplainParts(now, before, users_now, users_before, users=int(bool(now or before)))


class _Part(NamedTuple):
    """A group of calls in both windows, with its effects in units of 1e-15 USD."""

    now: Sums
    before: Sums
    effects: tuple[int, ...]

    @property
    def change(self) -> int:
        return self.now["cost"] - self.before["cost"]


Key = tuple[str, str, str, str]
"""As PART."""


def explain_report(comparison: Comparison, found: ExplainParts, generated_at: datetime) -> ExplainReport:
    """The report of these rows."""
    now, before = comparison.now, comparison.before
    parts = _parts(found, Ratio(len(before.window.days), len(now.window.days)))
    total = _together(parts.values())
    ranked = sorted(parts.items(), key=lambda part: (-abs(part[1].change), part[0]))
    users = _by_user(found)
    return ExplainReport(
        window=described(now.window),
        earlier=described(before.window),
        compared=comparison.words,
        synthetic=now.synthetic,
        totals=_explained(Explained, "all calls", total),
        by_feature=[_explained(Explained, name, part) for name, part in _grouped(parts, lambda key: key[3])],
        by_model=[
            _explained(ExplainedModel, key[1], part, provider=key[0], model=key[1])
            for key, part in _grouped(parts, lambda key: key[:2])
        ],
        by_provider=[_explained(Explained, name, part) for name, part in _grouped(parts, lambda key: key[0])],
        top=[_explained(ExplainedPart, f"{key[1]} in {key[3]}", part, **_names(key)) for key, part in ranked[:TOP]],
        rest=_explained(Explained, "everything else", _together(part for _, part in ranked[TOP:])),
        by_user=users,
        other_users=OtherUsers(
            users=found.users - len(users), change=usd_of_units(total.change) - sum(user.change for user in users)
        ),
        generated_at=generated_at,
    )


def _names(key: Key) -> dict[str, str]:
    provider, model, service_type, feature = key
    return {"provider": provider, "model": model, "service_type": service_type, "feature": feature}


def _parts(found: ExplainParts, days: Ratio) -> dict[Key, _Part]:
    """Every part of both windows. Corrections may have left nothing of one."""
    now, before = _by_part(found.now), _by_part(found.before)
    nothing = sums_of(())
    sides = {key: (before.get(key, nothing), now.get(key, nothing)) for key in now.keys() | before.keys()}
    jobs: dict[tuple[str, str], Ratio] = {}
    for (_, _, *job), (earlier, later) in sides.items():
        known = jobs.get(of := (job[0], job[1]), Ratio(0, 0))
        jobs[of] = Ratio(known.before + earlier["requests"], known.now + later["requests"])
    return {
        key: _Part(later, earlier, effects_of(earlier, later, days=days, job=jobs[key[2], key[3]]))
        for key, (earlier, later) in sides.items()
        if earlier["requests"] or later["requests"]
    }


def _by_part(rows: Documents) -> dict[Key, Sums]:
    of_parts: dict[Key, Documents] = {}
    for row in rows:
        provider, model, service_type, feature = (row["_id"][name] for name in PART)
        of_parts.setdefault((provider, model, service_type, feature), []).append(row)
    return {key: sums_of(of_part) for key, of_part in of_parts.items()}


def _grouped(parts: dict[Key, _Part], group: Callable[[Key], K]) -> list[tuple[K, _Part]]:
    """Sums by group, the one whose cost changed most first, then in order of the name."""
    groups: dict[Any, list[_Part]] = {}
    for key, part in parts.items():
        groups.setdefault(group(key), []).append(part)
    together = [(key, _together(members)) for key, members in groups.items()]
    return sorted(together, key=lambda each: (-abs(each[1].change), each[0]))


def _together(parts: Iterable[_Part]) -> _Part:
    now, before, effects = sums_of(()), sums_of(()), (0,) * len(EFFECTS)
    for part in parts:
        for name, value in part.now.items():
            now[name] += value
        for name, value in part.before.items():
            before[name] += value
        effects = tuple(map(add, effects, part.effects))
    return _Part(now, before, effects)


E = TypeVar("E", bound=Explained)


def _explained(kind: type[E], name: str, part: _Part, **more: str) -> E:
    effects = dict(zip(EFFECTS, part.effects, strict=True))
    with_it = [effect for effect in EFFECTS if effects[effect] * part.change > 0]
    return kind(
        name=name,
        status=_status(part.now["requests"], part.before["requests"]),
        now=_side(part.now),
        earlier=_side(part.before),
        change=usd_of_units(part.change),
        effects=Effects(**{effect: usd_of_units(value) for effect, value in effects.items()}),
        largest=max(with_it, key=lambda effect: abs(effects[effect])) if with_it else None,
        **more,
    )


def _side(sums: Sums) -> Side:
    return Side(
        requests=sums["requests"],
        cost=usd_of_units(sums["cost"]),
        tokens=sums["tokensUsed"],
        cached=sums["cached"],
        unpriced=sums["unpriced"],
    )


def _status(now: int, before: int) -> Status:
    if before == 0 and now > 0:
        return Status.NEW
    return Status.GONE if now == 0 and before > 0 else Status.BOTH


def _by_user(found: ExplainParts) -> list[ExplainedUser]:
    now, before = _users_of(found.users_now), _users_of(found.users_before)
    nothing = summed([], USER_TOTALS)
    users = [_user(name, now.get(name, nothing), before.get(name, nothing)) for name in now.keys() | before.keys()]
    return sorted(users, key=lambda user: (-abs(user.change), user.user_id))


def _users_of(rows: Documents) -> dict[str, Document]:
    of_users: dict[str, Documents] = {}
    for row in rows:
        of_users.setdefault(row["_id"], []).append(row)
    return {name: summed(of_user, USER_TOTALS) for name, of_user in of_users.items()}


def _user(name: str, now: Document, before: Document) -> ExplainedUser:
    cost, earlier = stored_units(now["cost"]), stored_units(before["cost"])
    calls = Ratio(before["requests"], now["requests"])
    volume = calls.scaled(earlier) - earlier if calls.before else cost
    return ExplainedUser(
        user_id=name,
        status=_status(calls.now, calls.before),
        requests=calls.now,
        earlier_requests=calls.before,
        cost=usd_of_units(cost),
        earlier_cost=usd_of_units(earlier),
        change=usd_of_units(cost - earlier),
        volume=usd_of_units(volume),
        cost_of_call=usd_of_units(cost - earlier - volume),
    )
