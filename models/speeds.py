"""How fast models are: request duration, time to first token and output tokens per second, as sketches by part.

A bucket is three of those of `models.latency`, so that a year of sketches by model and feature stays small, and is read
as the middle one of them: within 1.5 % of all that it holds, before it is rounded to whole ms.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal

from models.latency import bucket_of, duration_of, merged

DURATION, FIRST_TOKEN, PER_SECOND = SKETCHES = ("duration", "firstToken", "perSecond")
"""In ms, in ms, and in thousandths of an output token per second."""
RELATIVE_ERROR = 0.015

_FINE = 3

Values = Mapping[int, int]
"""How many calls have each value."""


def coarse(bucket: int) -> int:
    """The bucket that holds one of `models.latency`."""
    return bucket if bucket <= 0 else -(-bucket // _FINE)


def fine(bucket: int) -> int:
    """The bucket of `models.latency` that stands for one of these."""
    return bucket if bucket <= 0 else _FINE * bucket - 1


def speed_bucket(value: int) -> int:
    """The bucket of a value in the unit of its sketch."""
    return coarse(bucket_of(value))


def output_speed(output_tokens: int, duration: int | None, first_token: int | None, reasoning: int = 0) -> int | None:
    """Output tokens per second of one call, in thousandths; None where it is not known.

    The tokens over the time in which they came: from the first one to the end where that is known, as OpenTelemetry's
    `gen_ai.server.time_per_output_token` measures, else over the whole request. So, too, where the model was reasoning:
    what was reported as its first token may have been the first one after that.
    """
    if not output_tokens or not duration:
        return None
    elapsed = duration if first_token is None or reasoning else duration - first_token
    return output_tokens * 1_000_000 // (elapsed if elapsed > 0 else duration)


def as_fine(sketches: Iterable[Mapping[str, int]]) -> dict[int, int]:
    """One sketch of all, in buckets of `models.latency`."""
    return {fine(bucket): count for bucket, count in merged(sketches).items() if count}


def values(sketch: Mapping[int, int]) -> Values:
    """The values for which a sketch in buckets of `models.latency` stands."""
    found = Counter[int]()
    for bucket, count in sketch.items():
        found[duration_of(bucket)] += count
    return found


def per_second(thousandths: int | None) -> Decimal | None:
    """Output tokens per second, to one decimal."""
    return None if thousandths is None else round(Decimal(thousandths) / 1000, 1)
