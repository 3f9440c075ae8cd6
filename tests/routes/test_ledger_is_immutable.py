"""What was recorded stays as it is: erasure is an operator's command, and nothing over HTTP changes an entry."""

from litestar import Litestar
from litestar.testing import AsyncTestClient

READING = {"GET", "HEAD", "OPTIONS"}
# the doors, and the prices and keys of administrators
ADDING = {"/api/ai/track", "/api/ai/track/batch", "/v1/traces", "/api/events", "/api/events/batch"}
PRICES = {"/api/admin/prices", "/api/admin/prices/{override_id:str}/end"}
REPRICING = {"/api/admin/repricing", "/api/admin/repricing/preview"}
"""Costs of entries follow the prices; each keeps its former ones."""
SESSION = {("POST", "/admin/session"), ("DELETE", "/admin/session")}
KEYS = {"/api/admin/keys", "/api/admin/keys/{key_id:str}/revoke"}
POLICY = {("PATCH", "/api/admin/keys/{key_id:str}")}
ANSWERS = {("DELETE", "/api/admin/gateway/cache")}
"""What the gateway keeps to give it again is no entry."""
# what operators define, invoices and closed months, where messages go, and what is asked for before a call
DEFINED = (
    *("campaigns", "experiments", "plans", "subscriptions", "limits", "grants"),
    *("endpoints", "deliveries", "alerts/mutes", "notes", "views"),
    *("provider-invoices", "reports/month", "revenue"),
)
WEBHOOKS = {"/api/billing/stripe/webhook"}
"""Events of Stripe add revenue, and change subscriptions."""
ASKING = ("/api/ai/limits/check", "/api/ai/reservations", "/api/panel-tokens")


def test_no_route_updates_or_deletes_an_entry(empty: AsyncTestClient[Litestar]) -> None:
    routes = {(method, route.path) for route in empty.app.routes for method in getattr(route, "methods", ())}
    beside = (*(f"/api/admin/{name}" for name in DEFINED), *ASKING)
    changing = {(method, path) for method, path in routes if method not in READING and not path.startswith(beside)}
    assert changing >= SESSION | POLICY | ANSWERS
    changing -= SESSION | POLICY | ANSWERS

    assert {method for method, _ in changing} == {"POST"}
    assert {path for _, path in changing} == ADDING | PRICES | REPRICING | KEYS | WEBHOOKS
