"""A reported call becomes its two documents: mapped, priced, stripped of personal data, and built."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from bson import ObjectId

from app.ledger.common import CommonCall, of_call, of_reported, of_span
from app.ledger.features import Feature, Features
from app.ledger.privacy import Privacy
from app.ledger.templates import TemplatePair, Templates
from app.ledger.twins import IdMint, Pair, build_pair, service_type_of, twin_id
from app.pricing.costs import Cost, Overrides, PricedCall, Pricing
from app.settings import Settings
from models.call import AICall


class Recorded(NamedTuple):
    """A call as it is to be stored."""

    pair: Pair
    cost: Cost


class Recorder:
    """How one deployment records a call, whoever reports it: an application, an import, a backfill or a benchmark."""

    def __init__(self, features: Features, pricing: Pricing, privacy: Privacy) -> None:
        self.features = features
        self.pricing = pricing
        self._privacy = privacy
        self._mint = IdMint()
        self._templates = Templates(pricing)

    @classmethod
    def of(cls, settings: Settings, overrides: Overrides) -> Self:
        """That of a deployment. Raises ConfigurationError for a configured file that cannot be used."""
        features = Features.from_file(settings.features_file)
        pricing = Pricing.of(overrides, settings.estimates_file, settings.model_aliases)
        return cls(features, pricing, Privacy(settings.store_ip_address, settings.store_user_agent))

    def id_of(self, call: AICall | CommonCall, now: datetime) -> ObjectId:
        """The `_id` of both documents of `call`: one that follows from its request id, else a fresh one."""
        return self._mint.id_of(call.client_id, call.request_id, now)

    def new_id(self, client_id: str, request_id: str | None) -> ObjectId:
        """The same for a call that is yet to be made."""
        return self._mint.id_of(client_id, request_id, datetime.now(UTC))

    def is_fresh(self, id_: ObjectId) -> bool:
        """Whether it was made here for a call without a request id."""
        return self._mint.has_made(id_)

    def common(self, reported: Mapping[str, Any]) -> CommonCall | None:
        """The call with these fields of `AICall`, where it is of the common shape and known to be valid."""
        found = of_reported(reported)
        return None if found is None or self._templates.find(*found) is None else CommonCall(reported, *found)

    def common_span(self, fields: Mapping[str, Any]) -> CommonCall | None:
        """The same for fields that a span made; in any thread."""
        found = of_span(fields)
        return None if found is None or not self._templates.knows(*found) else CommonCall(fields, *found)

    def record(
        self,
        call: AICall | CommonCall,
        now: datetime,
        *,
        entry_id: ObjectId | None = None,
        feature: Feature | None = None,
        by_user: bool = False,
        key_id: str | None = None,
    ) -> Recorded:
        """Both documents of `call`, which is reported `now` (UTC), with the prices of the time when it happened.

        `entry_id` and `feature` are for callers that have decided them already. `by_user` says that the call's own user
        reports it: its request id is then that user's alone.
        `key_id` names the API key that reported it.
        """
        shared_id = own_id = entry_id or self.id_of(call, now)
        if by_user and call.request_id is not None:
            own_id = twin_id(call.client_id, call.request_id, call.user_id)
        recorded = self._recorded(call, feature, now, own_id, key_id)
        if own_id is not shared_id:
            recorded.pair.shared_id = shared_id
        return recorded

    def _recorded(
        self,
        call: AICall | CommonCall,
        decided: Feature | None,
        now: datetime,
        entry_id: ObjectId,
        key_id: str | None,
    ) -> Recorded:
        found = of_call(call) if decided is None else None
        if found and key_id is not None:
            found = found[0], found[1].reported_with(key_id)
        if found and (template := self._templates.find(*found)):
            pair = TemplatePair(template, found[1], now, entry_id)
            return Recorded(pair, template.cost(pair))
        whole = call if isinstance(call, AICall) else call.in_full()
        recorded = self._in_full(whole, decided or self.features.of(call.content_type), now, entry_id, key_id)
        if found:
            self._templates.learn(*found, *recorded)
        return recorded

    def _in_full(
        self, call: AICall, feature: Feature, now: datetime, entry_id: ObjectId, key_id: str | None
    ) -> Recorded:
        priced = self.pricing.price(call, service_type_of(call, feature), call.created_at or now)
        return Recorded(self.restore(call, feature, priced, now, entry_id, key_id=key_id), priced.cost)

    def restore(
        self,
        call: AICall,
        feature: Feature,
        priced: PricedCall,
        recorded_at: datetime,
        entry_id: ObjectId,
        *,
        key_id: str | None = None,
    ) -> Pair:
        """Both documents of a call whose feature and price are already decided."""
        return build_pair(self._privacy.stripped(call), feature, priced, recorded_at, entry_id, key_id=key_id)
