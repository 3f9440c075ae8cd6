"""Stripe's events: whether they are Stripe's and for us, and what they say."""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, ValidationError

from app.auth.refused import Reason, RefusedError
from app.errors import AppError, InvalidRequestError
from app.finance.stripe import reading
from app.finance.stripe.facts import KINDS, CreditNote, Discount, Dispute, Facts, Invoice, ObjectId, Refund
from app.finance.stripe.settling import Event, Received
from app.finance.stripe.store import Told
from app.finance.stripe.values import Object, id_of
from app.http.serialization import decode
from models.faults import fields_at_fault

TOLERANCE_SECONDS = 300
"""How old a signature may be: Stripe signs anew whenever it sends an event again."""
ANNOUNCED = frozenset({"invoice.upcoming"})
"""Events of what there is not yet."""
MOST_SECONDS = 253_402_300_799
"""The last one that has a date."""
_CREATED, _CHANGED, _ENDED = 0, 10, 20
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, OSError)
_PROGRESS = {"draft": 0, "open": 1, "uncollectible": 2, "paid": 3, "void": 4}


class ForeignEventError(AppError):
    """An event of another account or mode than this deployment's."""

    status = 403
    title = "Foreign event"


class UnsignedError(RefusedError):
    """No event of Stripe's, as far as can be told."""

    default_headers: ClassVar[Mapping[str, str]] = {}


class Signatures:
    """Of one endpoint: while its secret is changed, it has two."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets

    def check(self, body: bytes, header: str | None) -> None:
        """Raises UnsignedError, which quotes nothing of either."""
        from stripe import SignatureVerificationError, WebhookSignature  # noqa: PLC0415 - takes 0.2 s and 30 MB

        if not header:
            raise UnsignedError(Reason.MISSING, "the header Stripe-Signature is missing: only Stripe sends events here")
        if not header.isascii():
            raise UnsignedError(Reason.MALFORMED, "the header Stripe-Signature is not as Stripe's are")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise UnsignedError(Reason.MALFORMED, "the body is not UTF-8, as Stripe's are") from None
        for secret in self._secrets:
            try:
                WebhookSignature.verify_header(text, header, secret, None)
            except SignatureVerificationError:
                continue
            try:
                WebhookSignature.verify_header(text, header, secret, TOLERANCE_SECONDS)
            except SignatureVerificationError:
                stale = f"this was signed more than {TOLERANCE_SECONDS // 60} minutes ago: Stripe signs anew what it"
                raise UnsignedError(
                    Reason.EXPIRED, f"{stale} sends again; if it did, set this machine's clock"
                ) from None
            return
        message = "no signature in Stripe-Signature is of this body by a secret of this endpoint (whsec_...)"
        raise UnsignedError(Reason.SIGNATURE, message)


class _Data(BaseModel):
    object: dict[str, Any]
    previous_attributes: dict[str, Any] | None = None


class Sent(BaseModel):
    """An event as Stripe sends it, as far as it matters."""

    id: ObjectId
    type: Annotated[str, Field(min_length=1, max_length=128)]
    object: Literal["event"]
    created: Annotated[int, Field(ge=0, le=MOST_SECONDS)]
    livemode: bool
    account: str | None = None
    data: _Data

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.created, UTC)

    @property
    def event(self) -> Event:
        """As it is noted."""
        return Event(self.id, self.type, self.at, id_of(self.data.object))

    @property
    def kind(self) -> str | None:
        """Of its object; None where that is of no kind that we follow, or only announced, as `invoice.upcoming` is."""
        kind = self.data.object.get("object")
        return kind if isinstance(kind, str) and kind in KINDS and self.type not in ANNOUNCED else None

    def check_ours(self, *, live: bool, account: str | None) -> None:
        """Raises ForeignEventError for one of another mode or account."""
        if self.livemode is not live:
            theirs, ours = ("live", "test") if self.livemode else ("test", "live")
            message = f"the event is of {theirs} mode, and this deployment takes those of {ours} mode"
            raise ForeignEventError(f"{message}: see TWINMETER_STRIPE_MODE")
        if self.account is not None and self.account != account:
            message = "the event is of a connected account that is not this deployment's: see TWINMETER_STRIPE_ACCOUNT"
            raise ForeignEventError(message)

    def received(self) -> Received:
        """What it says. Raises InvalidRequestError where its object is not as Stripe says."""
        facts = facts_of(self.data.object)
        before: Facts | None = None
        if self.data.previous_attributes:
            # it orders events of one second, where it can
            with contextlib.suppress(*_UNREADABLE):
                before = next(iter(reading.read(_merged(self.data.object, self.data.previous_attributes))), None)
        if self.type.endswith(".deleted") and isinstance(facts[0], Discount):
            until = min(self.at, facts[0].until) if facts[0].until else self.at
            facts[0] = facts[0].model_copy(update={"until": until})
        return Received(facts, Told(self.at, 1, _order(self.type, facts[0]), self.id), before)


def opened(body: bytes) -> Sent:
    """An event whose signature was checked. Raises InvalidRequestError for what is none."""
    try:
        return Sent.model_validate(decode(body))
    except ValidationError as error:
        fields = ", ".join(fields_at_fault(error))
        raise InvalidRequestError(
            f"the body is not an event of Stripe's API v1, such as invoice.paid: {fields}"
        ) from None


def facts_of(object_: Object) -> list[Facts]:
    """What an object says. Raises InvalidRequestError."""
    try:
        return reading.read(object_)
    except _UNREADABLE as error:
        kind, id_ = str(object_.get("object"))[:64], str(object_.get("id"))[:128]
        raise InvalidRequestError(f"{kind} {id_} is not as Stripe's API has them: {type(error).__name__}") from error


def fetched(object_: Object, at: datetime) -> Received:
    """What the API says now."""
    facts = facts_of(object_)
    return Received(facts, Told(at, 2, _order("fetched", facts[0]), ""))


def _order(type_: str, facts: Facts) -> int:
    """Of events of one second: first what is created, last what ends, and between them by how far it is."""
    last = type_.rpartition(".")[2]
    first = _CREATED if last == "created" else _ENDED if last == "deleted" else _CHANGED
    match facts:
        case Invoice():
            return first + _PROGRESS.get(facts.status, 0)
        case Dispute():
            return first + (0 if facts.open else 1)
        case Refund() | CreditNote():
            return first + (0 if facts.counts else 1)
    return first


def _merged(object_: Object, previous: Object) -> Object:
    merged: dict[str, Any] = dict(object_)
    for name, value in previous.items():
        there = merged.get(name)
        merged[name] = {**there, **value} if isinstance(there, dict) and isinstance(value, dict) else value
    return merged
