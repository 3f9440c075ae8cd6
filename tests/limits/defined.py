"""What tests define: limits, plans, subscriptions and grants, stored as administrators' are."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from bson import ObjectId

from app.database import Database, Session
from app.limits.defining.changes import change_definitions
from app.limits.meters import Caller, Purpose
from models.documents import Document
from models.limits import LIMITS, Allowance, Interval, Limit, LimitScope, Unit, Window
from models.plans import GRANTS, PLANS, SUBSCRIPTIONS, Grant, GrantKind, PlanVersion, Subscription, Term
from models.shape import Shape

NOW = datetime(2026, 7, 15, 12, tzinfo=UTC)
ANNA = Caller("anna", "shop")
CHAT = Purpose("chat", "text", "gpt-4o", "openai")
COLLECTIONS: dict[type[Shape], str] = {
    Limit: LIMITS,
    PlanVersion: PLANS,
    Subscription: SUBSCRIPTIONS,
    Grant: GRANTS,
}


def limit(amount: int | str, window: Window = Window.DAY, unit: Unit = Unit.REQUESTS, **more: Any) -> Limit:
    """A limit of anna, unless a `scope` says otherwise."""
    fields = {"id": str(ObjectId()), "scope": LimitScope(user_id="anna"), "created_at": NOW, "created_by": "someone"}
    return Limit(**{**fields, "amount": Decimal(amount), "window": window, "unit": unit, **more})


def plan(name: str, *allowances: Allowance, version: int = 1, **more: Any) -> PlanVersion:
    fields = {"name": name.title(), "created_at": NOW, "created_by": "someone"}
    return PlanVersion(**{**fields, "plan": name, "version": version, "allowances": allowances, **more})


def allowance(amount: int | str, window: Window = Window.PERIOD, unit: Unit = Unit.REQUESTS, **more: Any) -> Allowance:
    return Allowance(amount=Decimal(amount), window=window, unit=unit, **more)


def term(name: str, since: datetime = NOW, **more: Any) -> Term:
    fields = {"version": 1, "anchor": date(2026, 1, 10), "interval": Interval.MONTH, "timezone": "UTC"}
    return Term(**{**fields, "plan": name, "since": since, **more})


def subscription(*terms: Term, **more: Any) -> Subscription:
    fields = {"id": str(ObjectId()), "scope": LimitScope(user_id="anna"), "created_at": NOW, "created_by": "someone"}
    return Subscription(**{**fields, "terms": terms, **more})


def grant(kind: GrantKind, amount: int | str, window: Window = Window.PERIOD, **more: Any) -> Grant:
    fields = {
        "id": str(ObjectId()),
        "scope": LimitScope(user_id="anna"),
        "unit": Unit.REQUESTS,
        "starts_at": NOW,
        "settled_to": NOW,
        "created_at": NOW,
        "created_by": "someone",
    }
    return Grant(**{**fields, "kind": kind, "amount": Decimal(amount), "window": window, **more})


async def define(database: Database, *shapes: Shape) -> None:
    """Store definitions, over those with the same ids."""

    async def change(session: Session | None, version: int) -> None:
        for shape in shapes:
            stored: Document = {**shape.stored(), "changed": version}
            collection = database.writes[COLLECTIONS[type(shape)]]
            await collection.replace_one({"_id": stored["_id"]}, stored, upsert=True, session=session)

    await change_definitions(database, change)
