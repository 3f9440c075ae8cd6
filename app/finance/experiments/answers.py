"""What is answered about an experiment. Sums of money are exact; statistics are rounded to ten digits."""

from datetime import date, datetime
from decimal import Decimal

from app.finance.figures.formulas import Formula
from app.reports.query import Synthetic
from app.reports.rows import Row
from models.experiments import Experiment


class VariantBody(Row):
    """One of the ways that are compared."""

    name: str
    weight: Decimal


class ExperimentBody(Row):
    """One experiment, as it is defined."""

    id: str
    name: str
    client_id: str | None
    """Null for all clients together."""
    variants: list[VariantBody]
    control: str
    begins: date
    ends: date | None
    """Its last day; null while it is open."""
    conversion_event: str | None
    minimum_conversions: int
    note: str | None
    state: str
    """`planned`, `running` or `ended`."""
    created_at: datetime
    created_by: str
    redefined_at: datetime | None
    """When what is compared was changed, after it had begun."""

    @classmethod
    def of(cls, experiment: Experiment, today: date) -> "ExperimentBody":
        kept = cls.model_fields.keys() - {"variants", "state"}
        return cls(
            **{name: getattr(experiment, name) for name in kept},
            variants=[VariantBody(name=each.name, weight=each.weight) for each in experiment.variants],
            state=state_of(experiment, today),
        )


def state_of(experiment: Experiment, today: date) -> str:
    """Whether it is planned, running or ended, on a day."""
    if today < experiment.begins:
        return "planned"
    return "ended" if experiment.ends is not None and experiment.ends < today else "running"


class Seen(Row):
    """An experiment that calls name, and nobody has defined."""

    name: str
    variants: list[str]
    """Those that were seen."""
    advice: str


class ExperimentList(Row):
    """Experiments, the newest first."""

    experiments: list[ExperimentBody]
    undefined: list[Seen]
    """Only on the first page."""
    next_cursor: str | None


class Estimate(Row):
    """A figure of one variant, with the 95 % interval of what it would be with ever more users."""

    value: Decimal | None
    """Null where it has no divisor."""
    low: Decimal | None
    high: Decimal | None
    few: str | None
    """Why no interval is given: too few to say anything."""


class Difference(Row):
    """How a variant differs from the control, with 95 % intervals. The relative one is a share of the control's."""

    absolute: Decimal | None
    low: Decimal | None
    high: Decimal | None
    relative: Decimal | None
    relative_low: Decimal | None
    relative_high: Decimal | None
    p_value: Decimal | None
    cuped: bool
    """Whether what users cost before was taken into account: then the difference is not that of the plain figures."""
    narrower: Decimal | None
    """By what share that made the interval narrower."""


class VariantResult(Row):
    """What the users of one variant did."""

    name: str
    weight: Decimal
    control: bool
    users: int
    calls: int
    tokens: int
    cost: Decimal
    """In USD, exact."""
    unpriced: int
    """Calls whose cost is not in it."""
    converted: int
    """Users with at least one conversion."""
    conversions: int
    value: Decimal
    """Of all conversions, in USD, exact."""
    figures: dict[str, Estimate]
    """By name: see `formulas`."""
    differences: dict[str, Difference]
    """From the control; empty for itself, and for what is not computed."""


class UnknownVariant(Row):
    """A variant that calls or events name, and the definition does not."""

    name: str
    users: int


class SampleRatio(Row):
    """Whether variants have the shares of users that they should have: where not, something decides who is counted."""

    p_value: Decimal | None
    trusted: bool | None
    """False: do not trust any figure of the experiment. Null where it is not computed."""


class Notice(Row):
    """What is to be known before any figure is believed."""

    code: str
    message: str


class Method(Row):
    """How the statistics were computed."""

    available: bool
    """Whether the library for them is installed."""
    words: str
    cuped_days: int
    with_history: int
    """Users who cost something in the days before."""


class FormulaBody(Row):
    """What a figure means."""

    name: str
    unit: str
    words: str

    @classmethod
    def of(cls, formula: Formula) -> "FormulaBody":
        return cls(**formula._asdict())


class ExperimentResults(Row):
    """`GET /api/admin/experiments/{name}/results`."""

    experiment: ExperimentBody
    first: date
    last: date
    """The days that are counted, both included."""
    variants: list[VariantResult]
    mixed_users: int
    """In more than one variant: they are in none of the figures."""
    unknown_variants: list[UnknownVariant]
    unexposed_conversions: int
    """Of users that were not seen in the experiment, or only afterwards."""
    sample_ratio: SampleRatio
    notices: list[Notice]
    method: Method
    formulas: list[FormulaBody]
    synthetic: Synthetic
    timezone: str
    generated_at: datetime
