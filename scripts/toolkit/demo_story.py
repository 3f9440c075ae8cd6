"""What happens in the history of a demo, so that its pages have something to tell."""

import math
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from scripts.toolkit.demo_models import MODELS, DemoModel

YEAR_OF_GROWTH = 12.0
"""So many times as many calls as a year ago."""
NEWCOMER = DemoModel("openai", "gpt-4.1-mini", ("summary", "bullets", "keywords", "chat"), 24, 900, 0.4)
"""It takes calls from the model that it follows."""
FOLLOWS, SWITCHED = "gpt-4o-mini", 24
NEWCOMER_DAYS = 75
UNPRICED = DemoModel("self-hosted", "support-llama-70b", ("chat",), 2, 1_300, 0.4)
"""Nobody has told its price."""
UNPRICED_DAYS = 40
INCIDENT_DAYS, INCIDENT_HOURS, AFFECTED = 5, range(13, 15), "anthropic"
RUNAWAY_DAYS, RUNAWAY_HOURS, RUNAWAY_USER = 2, range(9, 12), 42
RUNAWAY_SHARE, RUNAWAY_MODEL, RUNAWAY_LENGTH = 0.6, "claude-sonnet-4-5", 8.0

USUAL = (965, 17, 12, 6)
"""In thousandths: how calls end, in the order of `STATUSES`."""
DURING_INCIDENT = (420, 380, 20, 180)
SLOWED = 4.0
FRIDAY = 4


class Scene(NamedTuple):
    """How one call differs from the usual."""

    statuses: Sequence[int] = USUAL
    slower: float = 1.0
    """Factor on its duration."""
    longer: float = 1.0
    """Factor on its input."""
    runaway: tuple[int, DemoModel] | None = None
    """The number of the user whose script made it, and the model it uses."""


AS_USUAL = Scene()


class Story:
    """Told up to a day: growth, a new model, one without a price, an incident at a provider, and a runaway script."""

    def __init__(self, today: date) -> None:
        self._newcomer = today - timedelta(days=NEWCOMER_DAYS)
        self._unpriced = today - timedelta(days=UNPRICED_DAYS)
        self._incident = _working_day(today - timedelta(days=INCIDENT_DAYS))
        self._runaway = _working_day(today - timedelta(days=RUNAWAY_DAYS))
        self._today = today

    def level(self, day: date) -> float:
        """How busy a day is, beside others of the history."""
        level = math.exp(math.log(YEAR_OF_GROWTH) * (day - self._today).days / 365)
        return level * (1.5 if day == self._runaway else 1.0)

    def models(self, day: date) -> tuple[list[DemoModel], list[float]]:
        """The models of a day, and how often each is called."""
        weights = {model: model.weight for model in MODELS}
        if day >= self._newcomer:
            weights = {m: w - (SWITCHED if m.name == FOLLOWS else 0) for m, w in weights.items()}
            weights[NEWCOMER] = NEWCOMER.weight
        if day >= self._unpriced:
            weights[UNPRICED] = UNPRICED.weight
        return list(weights), list(weights.values())

    def scene(self, at: datetime, model: DemoModel, rng: random.Random) -> Scene:
        """What is special about a call at a moment."""
        day, hour = at.date(), at.hour
        if day == self._runaway and hour in RUNAWAY_HOURS and rng.random() < RUNAWAY_SHARE:
            (used,) = (one for one in MODELS if one.name == RUNAWAY_MODEL)
            return Scene(longer=RUNAWAY_LENGTH, runaway=(RUNAWAY_USER, used))
        if day == self._incident and hour in INCIDENT_HOURS and model.provider == AFFECTED:
            return Scene(DURING_INCIDENT, slower=SLOWED)
        return AS_USUAL

    @property
    def incident(self) -> tuple[datetime, datetime]:
        """When it was: from, up to before, in UTC."""
        midnight = datetime.combine(self._incident, time(), UTC)
        hours = INCIDENT_HOURS
        return midnight + timedelta(hours=hours.start), midnight + timedelta(hours=hours.stop)


def _working_day(day: date) -> date:
    """A day, or the Friday before it: little happens at weekends."""
    return day - timedelta(days=max(0, day.weekday() - FRIDAY))
