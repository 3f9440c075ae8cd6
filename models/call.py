"""What a caller reports of one AI call, validated. Every fault is named; nothing is silently corrected."""

from operator import attrgetter
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints, model_validator

from models.ai_usage import CallStatus, ServiceType
from models.attempt import Attempts
from models.base import camel
from models.fields import (
    Count,
    Dollars,
    Metadata,
    Milliseconds,
    Moment,
    Name,
    Seconds,
    Text,
    check_experiment,
    contradiction,
    fault_of_moment,
)
from models.rollups import EVERYONE
from models.token_usage import PART_FIELDS, PART_TOKENS, TokenUsage, contradictions

DEFAULT_CLIENT = "default"
"""The client of calls and tokens without one."""
UNKNOWN_MODEL = "unknown"
"""For a call that failed before any model was named."""

_parts_of = attrgetter(*PART_TOKENS)


class AICall(BaseModel):
    """One AI call as its caller reports it. Over HTTP the names are camelCase.

    Token counts follow `models.TokenUsage`: a total includes its parts. Durations are ms, media lengths seconds, money
    USD. `tokens_used` is for callers that know no more than the total.
    """

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid", frozen=True)

    user_id: Name
    content_type: Name
    model: Name
    client_id: Name = DEFAULT_CLIENT
    request_id: Name | None = None
    """Identifies the call: the same id, reported again for the same client, counts once."""
    clerk_user_id: Name | None = None
    conversation_id: Name | None = None
    campaign_id: Name | None = None
    experiment: Name | None = None
    variant: Name | None = None
    """Of the experiment, which of its ways this call went: both or none."""
    reservation_id: Name | None = None
    """What was reserved for this call before it was made: this settles it."""
    provider: Name | None = None
    endpoint: Name | None = None
    service_type: ServiceType | None = None

    cached: StrictBool = False
    """Answered from the application's own cache; a provider's prompt cache is `cache_read_tokens`."""
    success: StrictBool | None = None
    status: CallStatus | None = None
    error_message: Annotated[str, StringConstraints(max_length=10_000)] | None = None

    tokens_used: Count | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_tokens: Count = 0
    cache_write_tokens: Count = 0
    cache_write_1h_tokens: Count = 0
    reasoning_tokens: Count = 0
    input_audio_tokens: Count = 0
    output_audio_tokens: Count = 0
    cache_audio_read_tokens: Count = 0
    input_image_tokens: Count = 0
    output_image_tokens: Count = 0
    cache_image_read_tokens: Count = 0
    input_video_tokens: Count = 0
    web_searches: Count = 0
    images: Count = 0
    characters: Count = 0
    video_seconds: Seconds | None = None
    audio_seconds: Seconds | None = None
    size: Name | None = None
    """Of an image, such as 1024x1024, or of a video, such as 720p: prices depend on it."""
    quality: Name | None = None
    """Of an image or a video, in the provider's words, such as hd."""
    input_text: Text | None = None
    """The prompt, for callers that do not know the counts: its length gives an estimate. It is not stored."""
    output_text: Text | None = None
    """The answer, likewise."""
    estimated_usage: StrictBool = False
    """The tokens are an upper bound or a guess, not what the provider counted: the cost is marked as estimated."""
    unreadable_usage: StrictBool = False
    """The response said what was used, but not in a form that could be read: the call is recorded as unpriced."""
    unreadable_reason: Annotated[str, StringConstraints(min_length=1, max_length=1_000)] | None = None
    """What of it could not be read, by the names of fields; implies `unreadable_usage`. Its beginning is stored."""
    cost: Dollars | None = None
    """What the provider billed, when the caller knows."""
    cost_basis: Name | None = None
    """What states that cost, and what it covers, such as `usage.cost`; where the caller just knows it, none."""
    service_tier: Name | None = None
    batch: StrictBool = False
    region: Name | None = None

    request_duration: Milliseconds | None = None
    time_to_first_token: Milliseconds | None = None
    upstream: Name | None = None
    """Which server of a provider answered, as the gateway's deployment calls it."""
    attempts: Attempts = ()
    """All that were asked, in order; none where it was the first one alone."""
    ip_address: Name | None = None
    user_agent: Annotated[str, StringConstraints(max_length=1_000)] | None = None
    metadata: Metadata | None = None
    synthetic: StrictBool = False
    aggregated: StrictBool = False
    """This is a sum of many calls, of which nothing else is known: it is in no latency and no list of calls."""
    aggregated_requests: Annotated[Count, Field(ge=1)] | None = None
    """How many, where that is known; only with `aggregated`."""
    created_at: Moment | None = None
    """When the call happened; now, when left out."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.created_at is not None and (reason := fault_of_moment(self.created_at)):
            raise contradiction("created_at", reason)
        if self.client_id == EVERYONE:
            raise contradiction("client_id", f"must not be {EVERYONE}, which stands for all clients")
        if self.success is not None and self.status is not None and self.success != (self.status is CallStatus.SUCCESS):
            raise contradiction("status", f"contradicts success={str(self.success).lower()}; leave one of them out")
        check_experiment(self.experiment, self.variant)
        if self.aggregated_requests is not None and not self.aggregated:
            raise contradiction("aggregated_requests", "needs aggregated=true: a single call is not a sum")
        if self.aggregated and (self.request_duration is not None or self.time_to_first_token is not None):
            raise contradiction(
                "aggregated", "a sum of calls has no duration; leave requestDuration and timeToFirstToken out"
            )
        if self.estimated_usage and (not self.knows_tokens or any(self.usage[2:])):
            reason = "is for inputTokens and outputTokens alone: a guess has no parts"
            raise contradiction("estimated_usage", reason)
        if not PART_FIELDS.isdisjoint(self.model_fields_set):
            for field, reason in contradictions(self.usage):
                raise contradiction(field, reason)
        if self.tokens_used is not None and self.knows_tokens and self.tokens_used != self.usage.total_tokens:
            reason = f"is not input_tokens + output_tokens ({self.usage.total_tokens}); leave it out"
            raise contradiction("tokens_used", reason)
        return self

    @property
    def is_unreadable(self) -> bool:
        """Whether what was used was said in a form that could not be read."""
        return self.unreadable_usage or self.unreadable_reason is not None

    @property
    def knows_tokens(self) -> bool:
        """Whether input and output are known separately, not just their total."""
        return self.input_tokens is not None or self.output_tokens is not None

    @property
    def usage(self) -> TokenUsage:
        """The counts as reported; all zero when only a total, or nothing, is known."""
        return TokenUsage(self.input_tokens or 0, self.output_tokens or 0, *_parts_of(self))

    @property
    def outcome(self) -> CallStatus:
        """The status, from `success` when it was not given; a call is a success unless something says otherwise."""
        if self.status is not None:
            return self.status
        return CallStatus.ERROR if self.success is False else CallStatus.SUCCESS
