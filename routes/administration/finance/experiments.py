"""Experiments for administrators: what is compared, and what came of it."""

from datetime import date
from typing import Annotated, Any

from litestar import Controller, Request, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from pydantic import Field, model_validator

from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.finance.experiments.answers import ExperimentBody, ExperimentList, ExperimentResults
from app.finance.experiments.book import FIXED
from app.finance.experiments.experiments import Experiments
from app.http.openapi import exemplified
from app.reports.query import Synthetic
from models.experiments import FEWEST_CONVERSIONS, FewestConversions, Note, Variants
from models.fields import Name
from routes.administration.paging import PageSize, after_of, page_of
from routes.administration.sent import Sent, fixed
from routes.dependencies import ClientFilter, Cursor

Asking = Request[Principal, Any, Any]


class NewExperiment(Sent):
    """An experiment to define. Without `control`, the first variant is it."""

    model_config = exemplified(
        {
            "name": "warmer-tone",
            "variants": [{"name": "plain", "weight": 0.5}, {"name": "warm", "weight": 0.5}],
            "begins": "2026-12-01",
            "ends": "2026-12-28",
            "conversionEvent": "purchase",
        }
    )

    name: Name
    variants: Variants
    begins: date
    client_id: Name | None = None
    control: Name | None = None
    ends: date | None = None
    conversion_event: Name | None = None
    minimum_conversions: FewestConversions = FEWEST_CONVERSIONS
    note: Note | None = None


class ExperimentChange(Sent):
    """What changes of an experiment; what is left out stays, null takes away what may be missing."""

    variants: Annotated[Variants, Field()] = ()
    control: Name = ""
    begins: date = date.min
    ends: date | None = None
    conversion_event: Name | None = None
    minimum_conversions: FewestConversions = FEWEST_CONVERSIONS
    note: Note | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_the_same(cls, sent: Any) -> Any:
        return fixed(sent, FIXED, "cannot change, as calls name it: define another experiment")


class ExperimentController(Controller):
    """One client's administrator sees and defines that client's experiments, among its users alone."""

    path = "/api/admin/experiments"
    tags = ("experiments",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="List experiments, the newest first, and those that nobody has defined")
    async def list_experiments(
        self,
        request: Asking,
        experiments: NamedDependency[Experiments],
        *,
        client_id: ClientFilter = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> ExperimentList:
        client, today = own_client(request.user, client_id), experiments.today()
        found = await experiments.book.page(client, after=after_of(cursor), size=limit + 1)
        page, following = page_of(found, limit)
        return ExperimentList(
            experiments=[ExperimentBody.of(one, today) for one in page],
            undefined=[] if cursor is not None else await experiments.undefined(client),
            next_cursor=following,
        )

    @get("/{name:str}", summary="One experiment, by its name or id")
    async def get_experiment(
        self,
        name: FromPath[str],
        request: Asking,
        experiments: NamedDependency[Experiments],
        client_id: ClientFilter = None,
    ) -> ExperimentBody:
        found = await experiments.book.one(name, own_client(request.user, client_id))
        return ExperimentBody.of(found, experiments.today())

    @get("/{name:str}/results", summary="What the users of each variant cost and did")
    async def results(
        self,
        name: FromPath[str],
        request: Asking,
        experiments: NamedDependency[Experiments],
        synthetic_mode: NamedDependency[Synthetic],
        client_id: ClientFilter = None,
    ) -> ExperimentResults:
        """`notices` come first: what makes the figures worth less than they look. 409 before the experiment begins."""
        return await experiments.results(name, own_client(request.user, client_id), synthetic_mode)

    @post("/", summary="Define an experiment")
    async def define(
        self, data: JSONBody[NewExperiment], request: Asking, experiments: NamedDependency[Experiments]
    ) -> ExperimentBody:
        """What calls and events have said of it already, from its first day on, counts. 409 where it is there."""
        client = own_client(request.user, data.client_id)
        fields = {**data.given(), "control": data.control or data.variants[0].name}
        made = await experiments.book.add(fields, client=client, by=request.user.subject)
        return ExperimentBody.of(made, experiments.today())

    @patch("/{name:str}", summary="Change an experiment")
    async def change(
        self,
        name: FromPath[str],
        data: JSONBody[ExperimentChange],
        request: Asking,
        experiments: NamedDependency[Experiments],
        client_id: ClientFilter = None,
    ) -> ExperimentBody:
        """Its name stays. Where it has begun and something else is compared, its results say so from then on."""
        client, today = own_client(request.user, client_id), experiments.today()
        return ExperimentBody.of(await experiments.book.change(name, data.given(), client=client, today=today), today)
