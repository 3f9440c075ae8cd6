"""The routes of limits, keys, alerts, invoices and the panel: what can be read, and a valid body of each change."""

from datetime import UTC, datetime, timedelta
from typing import Any

_LIMIT = {"scope": {"userId": "u"}, "unit": "requests", "window": "day", "amount": 1_000_000, "kind": "hard"}
_ASK = {"userId": "u", "contentType": "chat", "model": "gpt-4o", "inputTokens": 10, "maxOutputTokens": 10}
_OF_PLANS = {"scope": {"userId": "u"}, "unit": "requests", "window": "period"}
_ALLOWANCE = {"name": "n", "unit": "requests", "window": "period", "amount": 1_000_000}
_EXPERIMENT = {"name": "x", "variants": [{"name": v, "weight": 0.5} for v in "ab"], "begins": "2026-01-01"}
_INVOICE = {"provider": "p", "month": "2024-01", "currency": "USD", "total": 1, "number": "n"}
_SOON = (datetime.now(UTC) + timedelta(days=1)).isoformat()
_ADMIN = "/api/admin"

READS = (
    *(f"{_ADMIN}/{name}" for name in ("alerts", "alerts/mutes", "deliveries", "endpoints", "grants", "limits")),
    *(f"{_ADMIN}/{name}" for name in ("audit", "notes", "repricing", "settings", "views")),
    *(f"{_ADMIN}/{name}" for name in ("plans", "subscriptions", "revenue", "revenue/rates")),
    f"{_ADMIN}/revenue/entries.csv",
    f"{_ADMIN}/alerts/{{alert_id:str}}",
    f"{_ADMIN}/deliveries/{{delivery_id:str}}",
    f"{_ADMIN}/campaigns",
    f"{_ADMIN}/campaigns/{{campaign:str}}",
    f"{_ADMIN}/campaigns/{{campaign:str}}/report",
    f"{_ADMIN}/campaigns/{{campaign:str}}/report.csv",
    f"{_ADMIN}/experiments",
    f"{_ADMIN}/experiments/{{name:str}}",
    f"{_ADMIN}/experiments/{{name:str}}/results",
    f"{_ADMIN}/endpoints/{{endpoint_id:str}}",
    f"{_ADMIN}/grants/{{grant_id:str}}",
    f"{_ADMIN}/limits/{{limit_id:str}}",
    f"{_ADMIN}/plans/{{plan:str}}",
    f"{_ADMIN}/subscriptions/{{subscription_id:str}}",
    "/api/ai/reservations/{reservation_id:str}",
    "/embed/twinmeter-usage.js",
    "/usage",
)
READS_OF_A_USER = (f"{_ADMIN}/limits/applying", "/api/me/usage")

CHANGES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", f"{_ADMIN}/campaigns"): {"campaignId": "c", "name": "c", "begins": "2026-01-01", "budget": 5},
    ("PATCH", f"{_ADMIN}/campaigns/{{campaign:str}}"): {"note": "n"},
    ("POST", f"{_ADMIN}/experiments"): _EXPERIMENT,
    ("PATCH", f"{_ADMIN}/experiments/{{name:str}}"): {"note": "n"},
    ("POST", f"{_ADMIN}/limits"): _LIMIT,
    ("PATCH", f"{_ADMIN}/limits/{{limit_id:str}}"): {"amount": 2},
    ("POST", f"{_ADMIN}/limits/{{limit_id:str}}/end"): {},
    ("PATCH", f"{_ADMIN}/keys/{{key_id:str}}"): {"models": ["gpt-4o*"]},
    ("POST", f"{_ADMIN}/plans"): {"plan": "p", "name": "p", "allowances": [_ALLOWANCE]},
    ("PATCH", f"{_ADMIN}/plans/{{plan:str}}"): {"name": "q"},
    ("POST", f"{_ADMIN}/plans/{{plan:str}}/end"): {},
    ("POST", f"{_ADMIN}/subscriptions"): {"scope": {"userId": "u"}, "plan": "p"},
    ("PATCH", f"{_ADMIN}/subscriptions/{{subscription_id:str}}"): {"plan": "demo"},
    ("POST", f"{_ADMIN}/subscriptions/{{subscription_id:str}}/end"): {},
    ("POST", f"{_ADMIN}/grants"): {"kind": "top_up", **_OF_PLANS, "amount": 1},
    ("PATCH", f"{_ADMIN}/grants/{{grant_id:str}}"): {"note": "n"},
    ("POST", f"{_ADMIN}/grants/{{grant_id:str}}/end"): {},
    ("POST", f"{_ADMIN}/alerts/mutes"): {"kind": "spending.cost", "until": _SOON},
    ("POST", f"{_ADMIN}/alerts/mutes/{{mute_id:str}}/end"): {},
    ("POST", f"{_ADMIN}/notes"): {"at": _SOON, "text": "n"},
    ("PATCH", f"{_ADMIN}/notes/{{note_id:str}}"): {"text": "n"},
    ("DELETE", f"{_ADMIN}/notes/{{note_id:str}}"): {},
    ("POST", f"{_ADMIN}/views"): {"name": "v", "address": "/admin/cost"},
    ("PATCH", f"{_ADMIN}/views/{{view_id:str}}"): {"name": "v"},
    ("DELETE", f"{_ADMIN}/views/{{view_id:str}}"): {},
    ("POST", f"{_ADMIN}/deliveries/{{delivery_id:str}}/resend"): {},
    ("POST", f"{_ADMIN}/endpoints"): {"kind": "webhook", "name": "e", "url": "https://example.com/hook"},
    ("PATCH", f"{_ADMIN}/endpoints/{{endpoint_id:str}}"): {"name": "e"},
    ("POST", f"{_ADMIN}/endpoints/{{endpoint_id:str}}/end"): {},
    ("POST", f"{_ADMIN}/endpoints/{{endpoint_id:str}}/rotate"): {},
    ("POST", f"{_ADMIN}/endpoints/{{endpoint_id:str}}/test"): {},
    ("POST", f"{_ADMIN}/provider-invoices"): _INVOICE,
    ("POST", f"{_ADMIN}/reports/month/{{month:str}}/close"): {},
    ("POST", f"{_ADMIN}/repricing"): {"firstDay": "2026-01-01", "model": "no-such-model"},
    ("POST", f"{_ADMIN}/repricing/preview"): {"firstDay": "2026-01-01", "model": "no-such-model"},
    ("POST", f"{_ADMIN}/revenue"): {"sourceId": "s", "kind": "one_time", "amount": 1, "currency": "USD"},
    ("POST", f"{_ADMIN}/revenue/rates"): {"currency": "EUR", "day": "2026-01-01", "usd": 1},
    ("POST", "/api/ai/limits/check"): _ASK,
    ("POST", "/api/ai/reservations"): _ASK,
    ("DELETE", "/api/ai/reservations/{reservation_id:str}"): {},
    ("POST", "/api/panel-tokens"): {"userId": "u"},
}
"""By method and route."""
