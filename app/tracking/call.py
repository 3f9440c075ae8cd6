"""What a caller reports of one AI call, validated. Every fault is named; nothing is silently corrected."""

import math
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any, NamedTuple, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from models import CallStatus, ServiceType, TokenUsage
from models.base import camel
from models.rollups import EVERYONE
from models.token_usage import PART_FIELDS, contradictions

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a caller's clock may run ahead of ours."""
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
MAX_MILLISECONDS = 1_000_000_000
MAX_METADATA_KEYS = 32
MAX_METADATA_BYTES = 4_096

_MICROSECOND = Decimal("0.000001")


def _whole_milliseconds(value: object) -> object:
    """Durations are stored as whole ms, so that their sums are exact. Rounded half-even."""
    # bounded first: 1e999999999 as a whole number would have a thousand million digits
    if isinstance(value, float | Decimal) and math.isfinite(value) and -1 < value <= MAX_MILLISECONDS:
        return round(value)
    return value


def _microseconds(value: Decimal) -> Decimal:
    return value.quantize(_MICROSECOND, rounding=ROUND_HALF_EVEN)


def _stored_precision(value: datetime) -> datetime:
    """MongoDB keeps whole ms, in UTC."""
    try:
        value = value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("moment", "lies beyond what a calendar holds") from None
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


def _checked_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(metadata) > MAX_METADATA_KEYS:
        raise PydanticCustomError("metadata_too_large", f"at most {MAX_METADATA_KEYS} keys are kept")
    checked = {key: _scalar(key, value) for key, value in metadata.items()}
    size = sum(len(key.encode()) + len(str(value).encode()) for key, value in checked.items())
    if size > MAX_METADATA_BYTES:
        raise PydanticCustomError("metadata_too_large", f"at most {MAX_METADATA_BYTES} bytes are kept; this has {size}")
    return checked


def _scalar(key: str, value: object) -> object:
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError("metadata_value", "{key} must be a finite number", {"key": key})
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise PydanticCustomError("metadata_value", "{key} must fit into 64 bits", {"key": key})
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise PydanticCustomError("metadata_value", "{key} must be valid Unicode", {"key": key}) from None
    elif value is not None and not isinstance(value, bool | int | float):
        message = "{key} must be a text, a number, true, false or null: metadata is flat"
        raise PydanticCustomError("metadata_too_deep", message, {"key": key})
    return value


# no control characters: a name ends up in logs, headers and file names
Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
MetadataKey = Annotated[str, StringConstraints(pattern=r"^[^$.\x00-\x1f\x7f][^.\x00-\x1f\x7f]{0,63}$")]
Count = Annotated[StrictInt, Field(ge=0, le=1_000_000_000)]
"""A thousand million is far over any one call, and ten thousand million such calls still sum within 64 bits."""
Milliseconds = Annotated[int, BeforeValidator(_whole_milliseconds), Field(strict=True, ge=0, le=MAX_MILLISECONDS)]
Seconds = Annotated[Decimal, Field(ge=0, le=1_000_000, allow_inf_nan=False), AfterValidator(_microseconds)]
Dollars = Annotated[Decimal, Field(ge=0, le=1_000_000_000, allow_inf_nan=False)]
Moment = Annotated[AwareDatetime, AfterValidator(_stored_precision)]
Text = Annotated[str, StringConstraints(max_length=10_000_000)]
Metadata = Annotated[dict[MetadataKey, Any], AfterValidator(_checked_metadata)]


class AICall(BaseModel):
    """One AI call as its caller reports it. Over HTTP the names are camelCase.

    Token counts follow `models.TokenUsage`: a total includes its parts. Durations are ms, media lengths seconds, money
    USD. `tokens_used` is for callers that know no more than the total.
    """

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True, extra="forbid", frozen=True)

    user_id: Name
    content_type: Name
    model: Name
    client_id: Name = "default"
    request_id: Name | None = None
    """What makes the call itself: the same id, reported again for the same client, counts once."""
    clerk_user_id: Name | None = None
    conversation_id: Name | None = None
    campaign_id: Name | None = None
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
    """Of an image or a video, by the provider's word, such as hd."""
    input_text: Text | None = None
    """The prompt, for callers that know no counts: its length gives an estimate. It is not stored."""
    output_text: Text | None = None
    """The answer, likewise."""
    unreadable_usage: StrictBool = False
    """The response said what was used, but not in a form that could be read: the call is recorded as unpriced."""
    cost: Dollars | None = None
    """What the provider billed, when the caller knows."""
    service_tier: Name | None = None
    batch: StrictBool = False
    region: Name | None = None

    request_duration: Milliseconds | None = None
    time_to_first_token: Milliseconds | None = None
    ip_address: Name | None = None
    user_agent: Annotated[str, StringConstraints(max_length=1_000)] | None = None
    metadata: Metadata | None = None
    synthetic: StrictBool = False
    created_at: Moment | None = None
    """When the call happened; now, when left out."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.created_at is not None:
            _check_moment(self.created_at)
        if self.client_id == EVERYONE:
            raise _fault("client_id", f"must not be {EVERYONE}, which stands for all clients")
        if self.success is not None and self.status is not None and self.success != (self.status is CallStatus.SUCCESS):
            raise _fault("status", f"contradicts success={str(self.success).lower()}; leave one of them out")
        if not PART_FIELDS.isdisjoint(self.model_fields_set):
            for field, reason in contradictions(self.usage):
                raise _fault(field, reason)
        if self.tokens_used is not None and self.knows_tokens and self.tokens_used != self.usage.total_tokens:
            reason = f"is not input_tokens + output_tokens ({self.usage.total_tokens}); leave it out"
            raise _fault("tokens_used", reason)
        return self

    @property
    def knows_tokens(self) -> bool:
        """Whether input and output are told apart, not just their total."""
        return self.input_tokens is not None or self.output_tokens is not None

    @property
    def usage(self) -> TokenUsage:
        """The counts as reported; all zero when only a total, or nothing, is known."""
        return TokenUsage(
            self.input_tokens or 0,
            self.output_tokens or 0,
            self.cache_read_tokens,
            self.cache_write_tokens,
            self.cache_write_1h_tokens,
            self.reasoning_tokens,
            self.input_audio_tokens,
            self.output_audio_tokens,
            self.cache_audio_read_tokens,
            self.input_image_tokens,
            self.output_image_tokens,
            self.cache_image_read_tokens,
            self.input_video_tokens,
            self.web_searches,
        )

    @property
    def outcome(self) -> CallStatus:
        """The status, from `success` when it was not given; a call is a success unless something says otherwise."""
        if self.status is not None:
            return self.status
        return CallStatus.ERROR if self.success is False else CallStatus.SUCCESS


def _check_moment(moment: datetime) -> None:
    if moment > datetime.now(UTC) + CLOCK_TOLERANCE:
        minutes = int(CLOCK_TOLERANCE.total_seconds() // 60)
        raise _fault("created_at", f"lies in the future by more than {minutes} minutes; check the caller's clock")
    if moment < OLDEST:
        raise _fault("created_at", f"lies before {OLDEST.date()}")


def _fault(field: str, reason: str) -> PydanticCustomError:
    """A fault that only several fields together show, laid to one of them."""
    return PydanticCustomError("contradiction", "{reason}", {"field": field, "reason": reason})


class Fault(NamedTuple):
    """One thing wrong with a report."""

    field: str
    """Snake_case name; a metadata key stands behind a dot."""
    message: str


def faults_of(error: ValidationError) -> list[Fault]:
    """Every fault of a report that `AICall` refused, or of what another model did."""
    return [Fault(_field_of(detail), _message_of(detail, error.title)) for detail in error.errors(include_url=False)]


_FIELD_NAMES = {camel(name): name for name in AICall.model_fields}


def _field_of(detail: Any) -> str:
    if "field" in detail.get("ctx", {}):
        return str(detail["ctx"]["field"])
    first, *rest = [str(part) for part in detail["loc"] if part != "[key]"] or [""]
    return ".".join([_FIELD_NAMES.get(first, first), *rest])


def _message_of(detail: Any, model: str) -> str:
    if detail["type"] == "extra_forbidden":
        return (
            "is no field of an AI call" if model == AICall.__name__ else "is not known here; /schema lists the fields"
        )
    if detail["type"] != "string_pattern_mismatch":
        return str(detail["msg"])
    if "[key]" in detail["loc"]:
        return "a key has 1 to 64 characters, no dot and no control character, and does not start with $"
    return "must not contain control characters"
