"""Plans as a process knows them: what each version allows, and which one is the plan of whoever has no other."""

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from app.limits.rules import allowances_of, default_subscription
from models.fields import OLDEST
from models.limits import Limit
from models.plans import DEMO_PLAN, PlanVersion

DEMO = PlanVersion(
    plan=DEMO_PLAN, version=1, name="Demo (no limits)", created_at=OLDEST, created_by="twinmeter", default=True
)
"""The default plan, unless an operator has made another one the default."""


class KnownPlans:
    """Every version of every plan. Nothing is awaited here."""

    def __init__(self, zone: ZoneInfo) -> None:
        """`zone`: that of periods of the default plan."""
        self._zone = zone
        self._versions: Mapping[tuple[str, int], PlanVersion] = {}
        self._allowances: dict[tuple[str, int], list[Limit]] = {}
        self._be_default(DEMO)

    def _be_default(self, version: PlanVersion) -> None:
        self.default = version
        """The plan of whoever has no subscription."""
        self.stand_in = default_subscription(version, self._zone)
        """What stands for the subscription of all who have none."""

    def take_in(self, versions: Mapping[tuple[str, int], PlanVersion]) -> None:
        """Know these from now on, by name and number."""
        self._versions = versions
        self._be_default(max(_defaults(versions), key=lambda version: version.created_at, default=DEMO))

    def version_of(self, plan: str, version: int) -> PlanVersion | None:
        """A version of a plan."""
        return self._versions.get((plan, version))

    def allowed(self, plan: str, version: int) -> Sequence[Limit]:
        """What a version of a plan allows: made once, as it never changes."""
        key = plan, version
        if key not in self._allowances:
            found = self._versions.get(key)
            if found is None:
                return ()
            self._allowances[key] = allowances_of(found)
        return self._allowances[key]


def _defaults(versions: Mapping[tuple[str, int], PlanVersion]) -> list[PlanVersion]:
    """The newest version of each plan that is the default."""
    newest: dict[str, PlanVersion] = {}
    for version in versions.values():
        if version.plan not in newest or newest[version.plan].version < version.version:
            newest[version.plan] = version
    return [version for version in newest.values() if version.default and version.ended_at is None]
