"""What a call asks of limits before it is made: upper bounds, from what its caller says of it and what prices know."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from app.limits.meters import Asked, Missing
from app.pricing.costs import Pricing
from app.pricing.dearest import Bounds, Dearest, Most, Span, rounded_up
from app.pricing.overrides import MediaUse
from models import ServiceType
from models.base import camel
from models.call import DEFAULT_CLIENT
from models.fields import CLOCK_TOLERANCE, Count, Dollars, Name, Seconds
from models.limits import Unit
from models.money import ZERO

OVERHEAD_TOKENS = 1_000
"""Of a request whose bytes are told: what providers add to it, such as a system prompt for tools (a few hundred)."""
_LENGTHS = {ServiceType.VIDEO: "video_seconds", ServiceType.AUDIO: "audio_seconds"}


class Ask(BaseModel):
    """What a caller says of a call that it is about to make. Over HTTP the names are camelCase.

    Counts and seconds are upper bounds. What is left out is taken at its dearest: `service_tier`, `batch` and `region`
    among all that the model is sold by, `size` and `quality` among all that it makes.
    """

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid", frozen=True)

    user_id: Name
    content_type: Name
    model: Name
    client_id: Name = DEFAULT_CLIENT
    provider: Name | None = None
    campaign_id: Name | None = None
    service_type: ServiceType | None = None
    input_tokens: Count | None = None
    input_bytes: Count | None = None
    """Instead of the tokens: bytes of the texts that are sent, in UTF-8. No text has more tokens than bytes."""
    max_output_tokens: Count | None = None
    """Reasoning included. Without it, as many as the model can answer."""
    answers: Annotated[Count, Field(ge=1, le=1_000)] = 1
    """That are made of one input, such as by OpenAI's `n`: each may have as many tokens as are told of one."""
    max_cost: Dollars | None = None
    """USD, for who reports the cost himself: then no price list is asked."""
    web_searches: Count = 0
    images: Count | None = None
    """1 for a call that makes images, else none."""
    characters: Count = 0
    video_seconds: Seconds | None = None
    audio_seconds: Seconds | None = None
    size: Name | None = None
    quality: Name | None = None
    service_tier: Name | None = None
    batch: StrictBool | None = None
    region: Name | None = None

    @property
    def most_input(self) -> int | None:
        """Tokens of input at most, as far as the caller says."""
        if self.input_tokens is not None or self.input_bytes is None:
            return self.input_tokens
        return self.input_bytes + OVERHEAD_TOKENS


class Asks:
    """By the prices of one deployment."""

    def __init__(self, pricing: Pricing) -> None:
        self._dearest = Dearest(pricing)

    def of(self, ask: Ask, service_type: ServiceType, now: datetime, ttl: timedelta) -> Asked:
        """The upper bounds of a call that is made within `ttl` from `now` on (UTC)."""
        length = _LENGTHS.get(service_type)
        if length is not None and getattr(ask, length) is not None:
            length = None
        images = int(service_type is ServiceType.IMAGE) if ask.images is None else ask.images
        seconds = {name: getattr(ask, name) or ZERO for name in _LENGTHS.values()}
        if length is not None and not ask.characters:
            seconds[length] = _A_SECOND
        bounds = Bounds(
            input_tokens=ask.most_input,
            output_tokens=0 if service_type is ServiceType.EMBEDDING else ask.max_output_tokens,
            answers=ask.answers,
            web_searches=ask.web_searches,
            media=MediaUse(images=images, characters=ask.characters, **seconds),
            size=ask.size,
            quality=ask.quality,
            service_tier=ask.service_tier,
            batch=ask.batch,
            region=ask.region,
        )
        span = Span(now - CLOCK_TOLERANCE, now + ttl + CLOCK_TOLERANCE)
        most = self._dearest.most(ask.client_id, ask.model, ask.provider, bounds, span)
        if ask.max_cost is not None:
            most = most._replace(usd=rounded_up(ask.max_cost), lacking=())
        missing = tuple(_missing(ask, most, length))
        units = {each.unit for each in missing}
        return Asked(
            tokens=None if Unit.TOKENS in units else (most.input_tokens or 0) + (most.output_tokens or 0),
            usd=None if Unit.USD in units else most.usd,
            images=images,
            seconds=None if Unit.SECONDS in units else sum(seconds.values(), ZERO),
            unbounded=missing,
            input_tokens=most.input_tokens,
            output_tokens=most.output_tokens,
        )


_A_SECOND = Decimal(1)
"""Of what nobody knows the length of: enough to see whether its length costs anything."""
_SEND = {
    "input_tokens": ("inputTokens", "send how many tokens of input the call has at most, or inputBytes"),
    "output_tokens": ("maxOutputTokens", "send how many tokens the model may answer at most"),
    "video_seconds": ("videoSeconds", "send how many seconds of video the call makes at most"),
    "audio_seconds": ("audioSeconds", "send how many seconds of audio the call takes or makes at most"),
}
_NO_PRICE = (
    "no price says what {model} may cost for this: set one (POST /api/admin/prices), or let the limit pass what has "
    'no bound ("unbounded": "allow")'
)


def _missing(ask: Ask, most: Most, length: str | None) -> Iterator[Missing]:
    """What is not known of a call, by the unit that has no bound for it."""
    for name, count in (("input_tokens", most.input_tokens), ("output_tokens", most.output_tokens)):
        if count is None:
            yield Missing(Unit.TOKENS, *_SEND[name])
    if length is not None:
        yield Missing(Unit.SECONDS, *_SEND[length])
        if most.usd and ask.max_cost is None and not ask.characters:
            yield Missing(Unit.USD, *_SEND[length])
    for name in most.lacking:
        yield Missing(Unit.USD, *_SEND.get(name, (name, _NO_PRICE.format(model=ask.model))))
