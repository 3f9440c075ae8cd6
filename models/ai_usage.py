"""The ledger: one immutable entry per AI call, with everything that its price depends on."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from models.attempt import Attempt
from models.base import StoredDecimal, StoredDocument, camel


class ServiceType(StrEnum):
    """What kind of model was called."""

    CONTENT = "content"
    CHAT = "chat"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    EMBEDDING = "embedding"


class CallStatus(StrEnum):
    """How the call to the model ended."""

    SUCCESS = "success"
    ERROR = "error"
    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"


class CostSource(StrEnum):
    """Where a cost comes from."""

    REPORTED = "reported"
    """The caller said what the provider billed."""
    PRICED = "priced"
    """Exact counts times a list price."""
    ESTIMATED = "estimated"
    """A price times counts that had to be guessed."""
    CACHED = "cached"
    """Answered from the application's own cache: costs nothing."""
    UNPRICED = "unpriced"
    """No price is known; the cost is null, never zero."""


class FormerCost(BaseModel):
    """The cost of a call before it was repriced."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True)

    cost: StoredDecimal | None
    saved_cost: StoredDecimal
    cost_source: CostSource
    price_version: str | None = None
    cost_basis: str | None = None
    """Of a reported cost: what stated it."""
    at: datetime
    """When it was replaced."""


_NEWEST = (("createdAt", DESCENDING), ("_id", DESCENDING))
"""Ends with the id, which gives lists of calls one order: without it every page would sort the whole window."""


def _rare(field: str, condition: dict[str, Any]) -> IndexModel:
    """An index of only those entries whose `field` meets `condition`."""
    keys = [(field, ASCENDING), *_NEWEST]
    return IndexModel(keys, name=f"{field}_newest", partialFilterExpression={field: condition})


def _by_figure(field: str) -> IndexModel:
    keys = [(field, ASCENDING), ("createdAt", ASCENDING), ("_id", ASCENDING)]
    return IndexModel(keys, name=f"{field}_order", partialFilterExpression={field: {"$gte": 0}})


class AIUsage(StoredDocument):
    """A detailed entry of one AI call. Costs are in USD, durations in ms; tokens follow `TokenUsage`.

    Counts and texts that a call does not have are absent in the stored document.
    """

    user_id: str
    client_id: str
    conversation_id: str | None = None
    content_type: str
    feature: str
    service_type: ServiceType
    provider: str
    reported_provider: str | None = None
    """What the caller said, where that provider does not sell the model."""
    ai_model: str
    endpoint: str | None = None
    status: CallStatus
    success: bool
    error_message: str | None = None
    cached: bool

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    cache_audio_read_tokens: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0
    cache_image_read_tokens: int = 0
    input_video_tokens: int = 0
    web_searches: int = 0
    tokens_used: int = 0
    images: int = 0
    video_seconds: StoredDecimal | None = None
    audio_seconds: StoredDecimal | None = None
    characters: int = 0

    size: str | None = None
    quality: str | None = None
    unreadable_usage: bool = False
    """The response's usage could not be read; the call is unpriced."""
    unmapped: bool = False
    """The content type is not known; its own name is its feature."""
    service_tier: str | None = None
    batch: bool = False
    region: str | None = None

    input_cost: StoredDecimal | None = None
    output_cost: StoredDecimal | None = None
    generation_cost: StoredDecimal | None = None
    cost: StoredDecimal | None
    saved_cost: StoredDecimal
    cost_source: CostSource
    price_version: str | None = None
    unpriced_reason: str | None = None
    """Of a call without a price: `models.unpriced`. Null where it was recorded before reasons were kept."""
    estimated_usage: str | None = None
    """`tokens` where counts were estimated, `image` where one image was assumed; whatever the cost."""
    repriced: list[FormerCost] = Field(default_factory=list)
    """The latest ten, oldest first."""

    request_duration: int | None = None
    time_to_first_token: int | None = None
    upstream: str | None = None
    """Which server of a provider answered, as the gateway's deployment calls it."""
    attempts: list[Attempt] = Field(default_factory=list)
    """All that were asked, in order; none where it was the first one alone."""
    ip_address: str | None = None
    user_agent: str | None = None
    campaign_id: str | None = None
    experiment: str | None = None
    variant: str | None = None
    """Of the experiment: both are there, or none."""
    reservation_id: str | None = None
    key_id: str | None = None
    """The public part of the API key that reported it; of what came without one, nothing."""
    metadata: dict[str, Any] | None = None
    synthetic: bool = False
    aggregated: bool = False
    """A sum of many calls, kept out of latency and lists of calls."""
    aggregated_requests: int | None = None
    created_at: datetime
    """When the call happened."""
    recorded_at: datetime
    """When it was reported."""

    class Settings:
        """Stored names and the indexes that the reports need."""

        name = "aiusages"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([*_NEWEST], name="newest"),
            IndexModel([("userId", ASCENDING), *_NEWEST], name="user_newest"),
            # without it, listing a client with few calls among many would read nearly all of them
            IndexModel([("clientId", ASCENDING), *_NEWEST], name="client_newest"),
            # for lists of a feature, model or provider: the rollups know its pairs, each of which is in order of time
            IndexModel([("feature", ASCENDING), ("aiModel", ASCENDING), *_NEWEST], name="feature_model_newest"),
            # rare values: each index costs only the entries that it holds
            _rare("conversationId", {"$exists": True}),
            _rare("status", {"$in": [status.value for status in CallStatus if status is not CallStatus.SUCCESS]}),
            _rare("costSource", {"$in": [CostSource.UNPRICED.value, CostSource.ESTIMATED.value]}),
            # the dearest and the slowest calls first; those without one take no room
            _by_figure("cost"),
            _by_figure("requestDuration"),
            # who was in a campaign, and at what cost, is summed in it: no entry is read for that
            IndexModel(
                [
                    ("campaignId", ASCENDING),
                    *_NEWEST,
                    *((name, ASCENDING) for name in ("clientId", "synthetic", "userId", "tokensUsed", "cost")),
                ],
                name="campaignId_newest",
                partialFilterExpression={"campaignId": {"$exists": True}},
            ),
            # the first call of each user in an experiment
            IndexModel(
                [(name, ASCENDING) for name in ("experiment", "userId", "createdAt")],
                name="experiment_users",
                partialFilterExpression={"experiment": {"$exists": True}},
            ),
            # what the gateway's cache saved is summed in it: no entry is read for that
            IndexModel(
                [(name, ASCENDING) for name in ("cached", "createdAt", "clientId", "upstream", "savedCost")],
                name="gateway_cached",
                partialFilterExpression={"cached": True, "upstream": {"$exists": True}},
            ),
        ]
        retired_indexes: ClassVar[list[str]] = ["time", "user_time", "requestDuration_newest"]
