"""From a row of our own export to its original pair: with its id, its price and all that was decided at the time."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, DecimalException
from typing import Annotated, Any, Literal, Self

from bson import ObjectId
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.ledger.features import Feature
from app.ledger.recording import Recorder
from app.ledger.twins import Pair
from app.pricing.costs import Cost, PricedCall
from app.pricing.sellers import Seller
from app.tracking import AICall, Fault
from models import CostSource, ServiceType
from models.base import camel
from models.faults import faults_of
from models.fields import Count, Moment, Name
from models.money import quantize_usd, stored_usd
from models.unpriced import MAX_CHARACTERS
from scripts.transfer.alike import Alike
from scripts.transfer.calls import RowError
from scripts.transfer.columns import COLUMNS
from scripts.transfer.values import READERS, UnreadableError

_READERS = {name: READERS[kind] for name, kind in COLUMNS.items()}
_CALL_FIELDS = {camel(name) for name in AICall.model_fields} - {"estimatedUsage"}
"""A call says that what it used is an estimate, an entry of which kind that is, which is decided already."""


def _usd(amount: Decimal) -> Decimal:
    try:
        return quantize_usd(amount)
    except DecimalException:
        raise ValueError("has too many digits") from None


Saved = Annotated[Decimal, Field(allow_inf_nan=False), AfterValidator(_usd)]
Usd = Annotated[Saved, Field(ge=0)]
"""Only a saving can be negative: a cache write that was never read."""


class Former(BaseModel):
    """A cost that was replaced."""

    model_config = ConfigDict(alias_generator=camel, extra="forbid")

    cost: Usd | None
    saved_cost: Saved
    cost_source: CostSource
    price_version: Name | None = None
    at: Moment

    def stored(self) -> dict[str, Any]:
        told = {name: value for name, value in self.model_dump(by_alias=True).items() if name in self.told()}
        amounts = {name: stored_usd(value) for name, value in told.items() if isinstance(value, Decimal)}
        return told | amounts | {"costSource": str(self.cost_source)}

    def told(self) -> set[str]:
        return {camel(name) for name in self.model_fields_set}


class Decided(BaseModel):
    """What was decided about a call when it was reported."""

    model_config = ConfigDict(alias_generator=camel, extra="ignore")

    id: Annotated[str, Field(alias="_id", pattern="^[0-9a-f]{24}$")]
    schema_version: Literal[1]
    provider: Name
    reported_provider: Name | None = None
    feature: Name
    service_type: ServiceType
    unmapped: bool = False
    created_at: datetime
    recorded_at: Moment
    input_tokens: Count
    output_tokens: Count
    tokens_used: Count
    input_cost: Usd | None = None
    output_cost: Usd | None = None
    generation_cost: Usd | None = None
    cost: Usd | None = None
    saved_cost: Saved
    cost_source: CostSource
    price_version: Name | None = None
    unpriced_reason: Annotated[str, Field(max_length=MAX_CHARACTERS)] | None = None
    estimated_usage: Literal["tokens", "image"] | None = None
    repriced: list[Former] = []
    key_id: Name | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.cost is None) != (self.cost_source is CostSource.UNPRICED):
            raise ValueError(f"cost {self.cost} contradicts costSource {self.cost_source}")
        if self.parts is not None and sum(self.parts) != self.cost:
            raise ValueError(f"inputCost, outputCost and generationCost are not cost ({self.cost})")
        return self

    @property
    def parts(self) -> tuple[Decimal, Decimal, Decimal] | None:
        if self.input_cost is None or self.output_cost is None or self.generation_cost is None:
            return None
        return self.input_cost, self.output_cost, self.generation_cost

    def priced(self, call: AICall) -> PricedCall:
        seller = Seller(self.provider, None, None, self.reported_provider)
        cost = Cost(self.parts, self.cost, self.saved_cost, self.cost_source, self.price_version, self.unpriced_reason)
        usage = call.usage._replace(input_tokens=self.input_tokens, output_tokens=self.output_tokens)
        return PricedCall(seller, usage, cost, self.estimated_usage)


class Entries:
    """Reads rows as the calls of a ledger."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._alike = Alike()

    def pair_of(self, row: dict[str, Any]) -> Pair:
        """Both original documents. Raises RowError."""
        told = _read(row)
        if (key := self._alike.key(told)) is None:
            return _pair_of(told, self._recorder)
        if (pair := self._alike.pair(key, told)) is None:
            pair = _pair_of(told, self._recorder)
            self._alike.learn(key, told, pair)
        return pair


def _pair_of(told: dict[str, Any], recorder: Recorder) -> Pair:
    try:
        decided = Decided.model_validate(told)
        call = AICall.model_validate(_call(told, decided))
    except ValidationError as error:
        raise RowError(faults_of(error)) from error
    feature = Feature(decided.feature, decided.service_type, mapped=not decided.unmapped)
    entry_id, key_id = ObjectId(decided.id), decided.key_id
    pair = recorder.restore(call, feature, decided.priced(call), decided.recorded_at, entry_id, key_id=key_id)
    if decided.repriced:
        pair.entry["repriced"] = [former.stored() for former in decided.repriced]
    return pair


def _read(row: dict[str, Any]) -> dict[str, Any]:
    """By column what is there, as its kind of value. Raises RowError."""
    try:
        return {
            name: reader(value)
            for name, value in row.items()
            if value is not None and (reader := _READERS.get(name)) is not None
        }
    except UnreadableError:
        raise RowError(list(_unreadable(row))) from None


def _unreadable(row: dict[str, Any]) -> Iterator[Fault]:
    for name, value in row.items():
        if value is not None and (reader := _READERS.get(name)) is not None:
            try:
                reader(value)
            except UnreadableError as error:
                yield Fault(name, str(error))


def _call(told: dict[str, Any], decided: Decided) -> dict[str, Any]:
    """The columns that are facts of the call, by the names of `AICall`."""
    fields = {name: value for name, value in told.items() if name in _CALL_FIELDS} | {"model": told.get("aiModel")}
    # where only a total was known, the counts beside it are zero
    known_alone = decided.tokens_used != decided.input_tokens + decided.output_tokens
    for name in ("inputTokens", "outputTokens") if known_alone else ():
        fields.pop(name, None)
    return fields
