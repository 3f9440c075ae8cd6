"""Generated calls for demos: plausible, deterministic by seed, and always marked synthetic."""

import math
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from typing import Any, NamedTuple

from scripts.toolkit.demo_models import MODELS, WEIGHTS, DemoModel
from scripts.toolkit.demo_story import AS_USUAL, Scene, Story

USERS = 400
CLIENT = "demo"
EXPERIMENT = "warmer-tone"
EXPERIMENTAL = frozenset({"chat", "chat-stream"})
"""Calls of which content types are of the experiment."""
CAMPAIGNS = {"cover-letter": "autumn-letters", "linkedin-post": "linkedin-push"}
"""The campaigns of which calls of these content types are."""
# how busy an hour of the day is: quiet nights, a peak before lunch and one in the afternoon
HOURS = [2, 1, 1, 1, 1, 2, 4, 8, 14, 19, 21, 20, 15, 17, 20, 21, 19, 15, 11, 9, 8, 7, 5, 3]
WEEKEND = 0.35
FIRST_TOKEN = 0.18
"""After this share of its duration a model that writes begins to."""
STATUSES = ("success", "error", "rate_limited", "timeout")


_USER_WEIGHTS = [1 / (rank + 1) for rank in range(USERS)]


class Plan(NamedTuple):
    """The plan of demo calls: `calls` of them from `first` up to the end of the day of `until`, in UTC.

    What would happen after `until` is left out. A call follows only from the seed, its day and its number on that day,
    so that plans of one seed share their calls, and reporting them again changes nothing. One that tells a story shares
    those of plans that tell it on the same day.
    """

    first: date
    until: datetime
    calls: int
    seed: int = 1
    tells: bool = False
    """Whether something happens: growth, a new model, an incident, and what else `Story` has."""

    @property
    def story(self) -> Story | None:
        return Story(self.until.date()) if self.tells else None

    def days(self) -> Iterator[tuple[date, int]]:
        """Each day with the number of its calls: few at weekends, and different every day."""
        days = [self.first + timedelta(days=offset) for offset in range((self.until.date() - self.first).days + 1)]
        story = self.story
        busy = list(accumulate(_busy(day, self.seed) * (story.level(day) if story else 1) for day in days))
        before = 0
        for day, up_to in zip(days, busy, strict=True):
            planned = round(self.calls * up_to / busy[-1])
            yield day, planned - before
            before = planned

    @property
    def calls_of_last_day(self) -> int:
        """How many calls the day of `until` has when it is over."""
        return [count for _, count in self.days()][-1]

    def calls_of(self, day: date, numbers: range) -> Iterator[dict[str, Any]]:
        """Fields of `AICall` for the calls of a day with these numbers, without those in the future."""
        midnight, story = datetime.combine(day, time(), UTC), self.story
        for number in numbers:
            rng = random.Random(f"{self.seed}:{day}:{number}")
            call = demo_call(rng, midnight + timedelta(seconds=_second_of_day(rng)), story)
            if call["created_at"] <= self.until:
                yield {**call, "request_id": f"demo:{self.seed}:{day}:{number}"}


def demo_call(rng: random.Random, at: datetime, story: Story | None = None) -> dict[str, Any]:
    """One demo call that happened at `at`, which it is in a story."""
    models, weights = story.models(at.date()) if story else (MODELS, WEIGHTS)
    model = rng.choices(models, weights)[0]
    user = rng.choices(range(USERS), _USER_WEIGHTS)[0]
    scene = story.scene(at, model, rng) if story else AS_USUAL
    if scene.runaway is not None:
        user, model = scene.runaway
    content_type = rng.choice(model.content_types)
    return {
        "user_id": f"user-{user:04}",
        "client_id": CLIENT,
        "content_type": content_type,
        "model": model.name,
        "provider": model.provider,
        "created_at": at,
        "synthetic": True,
        **_outcome(rng, model, scene),
        **_amounts(rng, model, user, scene),
        **_places(content_type, user),
    }


def variant_of(user: int) -> str:
    """Of the experiment, which a user has got once and for all."""
    return ("plain", "warm")[user % 2]


def _places(content_type: str, user: int) -> dict[str, str]:
    """The campaign and the experiment that a call is of."""
    found = {}
    if (campaign := CAMPAIGNS.get(content_type)) is not None:
        found["campaign_id"] = campaign
    if content_type in EXPERIMENTAL:
        found |= {"experiment": EXPERIMENT, "variant": variant_of(user)}
    return found


def _busy(day: date, seed: int) -> float:
    weekday = WEEKEND if day.weekday() >= 5 else 1.0  # noqa: PLR2004 - Saturday and Sunday
    return weekday * random.Random(f"{seed}:{day}").uniform(0.85, 1.15)


def _second_of_day(rng: random.Random) -> float:
    return rng.choices(range(24), HOURS)[0] * 3600 + rng.random() * 3600


def _outcome(rng: random.Random, model: DemoModel, scene: Scene) -> dict[str, Any]:
    cached = rng.random() < 0.12 and model.name != "dall-e-3"  # noqa: PLR2004 - share of the application's cache
    status = "success" if cached else rng.choices(STATUSES, scene.statuses)[0]
    duration = rng.uniform(2, 12) if cached else scene.slower * model.median_ms * math.exp(rng.gauss(0, model.spread))
    more: dict[str, Any] = {} if status == "success" else {"error_message": f"the provider answered {status}"}
    if not cached and status == "success" and model.writes:
        more["time_to_first_token"] = FIRST_TOKEN * duration
    return {"cached": cached, "status": status, "request_duration": duration, **more}


def _amounts(rng: random.Random, model: DemoModel, user: int, scene: Scene) -> dict[str, Any]:
    if model.name == "dall-e-3":
        return {"images": 1}
    if model.name == "whisper-large-v3":
        return {"audio_seconds": rng.randint(15, 900)}
    tokens = round(scene.longer * 600 * math.exp(rng.gauss(0, 0.9)))
    if model.name.startswith("text-embedding"):
        return {"input_tokens": tokens}
    reused = tokens // 2 if rng.random() < 0.3 else 0  # noqa: PLR2004 - share of prompts a provider has cached
    conversation = f"user-{user:04}:{rng.randint(1, 12)}"
    written = round(280 * math.exp(rng.gauss(0, 0.8)))
    return {
        "input_tokens": tokens,
        "output_tokens": written,
        "cache_read_tokens": reused,
        "conversation_id": conversation,
    }
