"""Which column of a source is which field of an entry of revenue: our own names, and Stripe's exports.

The exports of one account tell of the same payments. Where they name its invoice, that is its name here, so that what
comes by several of them counts once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.revenue import RevenueKind

Columns = Mapping[str, tuple[str, ...]]
"""By field: the first of these that is not empty."""

FIELDS = (
    *("source_id", "kind", "amount", "amount_minor", "tax", "currency", "at", "start", "end", "refunds"),
    *("user_id", "client_id", "subscription_id", "plan", "plan_version", "note"),
    *("customer", "subscription", "status", "captured", "refunded", "refunded_at"),
)
"""What can be read of a row. `customer` and `subscription` are Stripe's."""
OWN: Columns = {name: (name,) for name in FIELDS}
"""In snake_case or camelCase."""


@dataclass(frozen=True)
class Preset:
    """How one export is read."""

    reads: str
    columns: Columns
    needed: tuple[str, ...] = ()
    """Fields whose columns the source must have."""
    kinds: Mapping[str, RevenueKind | None] = field(default_factory=dict)
    """By what a row says in `kind`; None for rows that are left out. All others are, too, where there are any."""
    statuses: frozenset[str] = frozenset()
    """Those of rows that count; the others are left out. Empty: all count."""
    utc: bool = False
    """Whether its times are."""


PRESETS = {
    "stripe-invoices": Preset(
        reads="Invoices, exported from Stripe's dashboard with all columns",
        columns={
            "source_id": ("id", "ID"),
            "amount": ("Total",),
            "tax": ("Tax",),
            "currency": ("Currency",),
            "at": ("Finalized At (UTC)", "Date (UTC)", "Created (UTC)"),
            "start": ("Minimum Line Item Period Start (UTC)",),
            "end": ("Maximum Line Item Period End (UTC)",),
            "customer": ("Customer", "Customer ID"),
            "subscription": ("Subscription",),
            "status": ("Status",),
        },
        needed=("source_id", "amount", "currency", "at", "customer", "status"),
        statuses=frozenset({"paid", "open"}),
        utc=True,
    ),
    "stripe-payments": Preset(
        reads="Payments (charges), exported from Stripe's dashboard, such as unified_payments.csv",
        columns={
            "source_id": ("Invoice ID", "id"),
            "amount": ("Amount",),
            "tax": ("Tax",),
            "currency": ("Currency",),
            "at": ("Created date (UTC)", "Created (UTC)"),
            "customer": ("Customer ID",),
            "status": ("Status",),
            "captured": ("Captured",),
            "refunded": ("Amount Refunded",),
            "refunded_at": ("Refunded date (UTC)",),
        },
        needed=("source_id", "amount", "currency", "at", "customer", "status"),
        statuses=frozenset({"paid", "refunded", "succeeded", "partially refunded"}),
        utc=True,
    ),
    "stripe-balance": Preset(
        reads="Stripe's report balance_change_from_activity.itemized, with customer_id, charge_id and invoice_id",
        columns={
            "source_id": ("source_id",),
            "kind": ("reporting_category",),
            "amount": ("gross",),
            "currency": ("currency",),
            "at": ("created_utc", "created"),
            "customer": ("customer_id",),
            "subscription": ("subscription_id",),
            "refunds": ("charge_id",),
            "invoice": ("invoice_id",),
        },
        needed=("source_id", "kind", "amount", "currency", "at", "customer", "refunds"),
        kinds={
            "charge": RevenueKind.SUBSCRIPTION,
            "refund": RevenueKind.REFUND,
            "dispute": RevenueKind.REFUND,
        },
        utc=True,
    ),
}
