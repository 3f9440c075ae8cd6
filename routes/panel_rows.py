"""What a panel shows, as JSON: limits with figures for whose they are, and no amounts of limits that many share."""

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from typing import Self

from app.auth.principals import Principal
from app.limits.answers import LimitState
from app.limits.refusals import EVERYTHING, Sight, kind_of_subject
from app.reports.panel import Figures, PanelCost, RecentCall
from app.reports.query import Filters, Synthetic
from app.reports.rows import Row
from models.limits import Interval, Kind, Unit, Window
from models.plans import PlanVersion

HUNDREDTH = Decimal("0.01")
OF_AN_APPLICATION: Sight = frozenset({"user", "client", "key"})
OF_A_USER: Sight = frozenset({"user"})


class NextPlan(Row):
    """A plan that follows by itself."""

    plan: str
    version: int
    at: datetime

    @classmethod
    def of(cls, plan: PlanVersion, at: datetime) -> Self:
        return cls(plan=plan.plan, version=plan.version, at=at)


class PanelPlan(Row):
    """The plan in force."""

    id: str
    name: str
    version: int
    interval: Interval
    limited: bool
    """Whether it has allowances. The demo plan, which everyone has who has no other, has none."""
    upgrade_url: str | None
    next: NextPlan | None

    @classmethod
    def of(cls, plan: PlanVersion, following: tuple[PlanVersion, datetime] | None) -> Self:
        return cls(
            id=plan.plan,
            name=plan.name,
            version=plan.version,
            interval=plan.interval,
            limited=bool(plan.allowances),
            upgrade_url=plan.upgrade_url,
            next=None if following is None else NextPlan.of(*following),
        )


class WhichCalls(Row):
    """The calls that count; null is any."""

    service_type: str | None
    model: str | None
    feature: str | None


class AnyLimit(Row):
    """What every limit says of itself."""

    id: str
    name: str | None
    """As a plan or an administrator calls it; null where they did not."""
    unit: Unit
    window: Window
    filter: WhichCalls
    kind: Kind
    scope: str
    """Whose calls count together: user, client, key, feature, campaign or everyone."""
    reached: bool
    """Whether calls are refused now."""
    resets_at: datetime | None
    """Null for a lifetime."""


class PanelLimit(AnyLimit):
    """A limit with its figures, in its unit; money is USD."""

    limit: Decimal
    """With grants: what may be used in this period."""
    amount: Decimal
    """Without them."""
    grants: Decimal
    used: Decimal
    held: Decimal
    """By calls that are under way."""
    remaining: Decimal
    """What is neither used nor held; never below 0."""
    percent: Decimal | None
    """Of `limit`, used (of concurrent calls: held), to two decimals; above 100 where it was exceeded. Null of 0."""
    overrun: Decimal
    """Of `used`, what was counted beyond a hard limit: calls that were reported without asking, or asked for less."""
    overage_cap: Decimal | None
    period_start: datetime | None
    """Null for a lifetime."""


class SharedLimit(AnyLimit):
    """A limit on more than what the caller sees: how much of it is used, without amounts."""

    percent: int | None
    """Rounded down."""


class UsagePanel(Row):
    """`GET /api/me/usage`."""

    as_of: datetime
    """The moment of the snapshot. It is the first field: see `routes.panel`."""
    user: str | None
    """Null where it is about a client and a key."""
    client: str | None
    plan: PanelPlan | None
    """Null where it is about a client that has none of its own, whose users may have."""
    limits: list[PanelLimit]
    """Of those that count the same the tightest is first. None: nothing is limited."""
    shared: list[SharedLimit]
    """Limits of more than this user, or client, that apply all the same."""
    cost: PanelCost | None
    """Null for a key that may not read."""
    recent: list[RecentCall]
    """The last ten calls, newest first."""
    next_reset: datetime | None
    synthetic: Synthetic
    """Whether costs and calls include demo data; limits never count it."""

    @classmethod
    def of(
        cls,
        figures: Figures,
        states: Sequence[LimitState],
        plan: PanelPlan | None,
        *,
        whose: Filters,
        viewer: Principal,
        may_read: bool,
        synthetic: Synthetic,
    ) -> Self:
        """What `viewer` sees of a user, or of a client."""
        applying = [each for each in states if _applies(each, whose)]
        limits, shared = limit_rows(applying, viewer)
        resets = [each.resets_at for each in applying if each.resets_at is not None]
        return cls(
            as_of=figures.as_of,
            user=whose.user_id,
            client=whose.client_id,
            plan=plan,
            limits=limits,
            shared=shared,
            cost=figures.cost if may_read else None,
            recent=figures.recent if may_read else [],
            next_reset=min(resets, default=None),
            synthetic=synthetic,
        )


def limit_rows(states: Sequence[LimitState], viewer: Principal) -> tuple[list[PanelLimit], list[SharedLimit]]:
    """Those whose figures the viewer may see, and the others; the tightest first."""
    sees = sight_of(viewer)
    own = [each for each in states if _scope(each) in sees]
    others = [each for each in states if _scope(each) not in sees]
    return [_limit(each) for each in tightest_first(own)], [_shared(each) for each in tightest_first(others)]


def tightest_first(states: Sequence[LimitState]) -> list[LimitState]:
    """Those that count the same calls in the same unit and window beside each other, the one with the least left first.
    Otherwise in their order.
    """
    places: dict[object, int] = {}
    for each in states:
        places.setdefault(each.counter.meter[1:], len(places))
    return sorted(states, key=lambda each: (places[each.counter.meter[1:]], _left(each)))


def _applies(state: LimitState, whose: Filters) -> bool:
    """To a user all of them; to a client none of its users', and to all clients together none of a client's."""
    others = {"user"} if whose.client_id is not None else {"user", "client"}
    return whose.user_id is not None or _scope(state) not in others


def sight_of(viewer: Principal) -> Sight:
    """Whose figures the viewer may see: a user those of the user alone, a client all of its own, and the deployment's
    administrator everything.
    """
    if viewer.user is not None:
        return OF_A_USER
    return EVERYTHING if viewer.client is None else OF_AN_APPLICATION


def _scope(state: LimitState) -> str:
    return kind_of_subject(state.counter.meter.subject)


def _left(state: LimitState) -> Decimal:
    return state.allowance - state.used - state.held


def _common(state: LimitState) -> dict[str, object]:
    limit, meter = state.limit, state.counter.meter
    ceiling = limit.ceiling
    return {
        "id": limit.id,
        "name": limit.name,
        "unit": limit.unit,
        "window": limit.window,
        "filter": WhichCalls(
            service_type=meter.filter.service_type, model=meter.filter.model, feature=meter.filter.feature
        ),
        "kind": limit.kind,
        "scope": _scope(state),
        "reached": ceiling is not None and state.used + state.held >= ceiling + state.allowance - limit.amount,
        "resets_at": state.resets_at,
    }


def _limit(state: LimitState) -> PanelLimit:
    limit = state.limit
    return PanelLimit(
        **_common(state),
        limit=state.allowance,
        amount=limit.amount,
        grants=state.allowance - limit.amount,
        used=state.used,
        held=state.held,
        remaining=max(_left(state), Decimal(0)),
        percent=_percent(state),
        overrun=state.overrun,
        overage_cap=limit.overage_cap,
        period_start=None if state.resets_at is None else state.counter.period.start,
    )


def _shared(state: LimitState) -> SharedLimit:
    percent = _percent(state)
    return SharedLimit(
        **_common(state), percent=None if percent is None else int(percent.to_integral_value(ROUND_DOWN))
    )


def _percent(state: LimitState) -> Decimal | None:
    if not state.allowance:
        return None
    used = state.held if state.limit.unit is Unit.CONCURRENT else state.used
    return (100 * used / state.allowance).quantize(HUNDREDTH, rounding=ROUND_HALF_EVEN)
