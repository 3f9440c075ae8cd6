"""Campaigns for administrators: their dates, owners and budgets, and what they cost."""

from datetime import date
from typing import Annotated, Any

from litestar import Controller, Request, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from pydantic import model_validator

from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.finance.campaigns.answers import CampaignBody, CampaignList, CampaignReport, CampaignRow
from app.finance.campaigns.book import FIXED
from app.finance.campaigns.campaigns import Campaigns
from app.http.openapi import exemplified
from app.reports.csv import columns_of, text_of, values_of
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.windows import MAX_DAYS, requested_window
from models.campaigns import Campaign, Note, PlainName
from models.fields import Name
from models.limits import Amount
from routes.administration.paging import PageSize, after_of, page_of
from routes.administration.sent import Sent, fixed
from routes.dependencies import ClientFilter, Cursor

Asking = Request[Principal, Any, Any]
Days = Annotated[
    int | None, QueryParameter(description=f"1 to {MAX_DAYS} days up to today; by default the campaign's own days.")
]
First = Annotated[date | None, QueryParameter(name="from", description="First day, instead of `days`.")]
Last = Annotated[date | None, QueryParameter(name="to", description="Last day; today when left out.")]
CSV = "text/csv"


class NewCampaign(Sent):
    """A campaign to define."""

    model_config = exemplified(
        {
            "campaignId": "spring-2027",
            "name": "Spring 2027",
            "owner": "marketing",
            "begins": "2027-03-01",
            "ends": "2027-05-31",
            "budget": 500,
        }
    )

    campaign_id: PlainName
    name: PlainName
    begins: date
    ends: date | None = None
    client_id: Name | None = None
    owner: PlainName | None = None
    budget: Amount | None = None
    note: Note | None = None


class CampaignChange(Sent):
    """What changes of a campaign; what is left out stays, null takes away what may be missing."""

    name: PlainName = ""
    begins: date = date.min
    ends: date | None = None
    owner: PlainName | None = None
    budget: Amount | None = None
    note: Note | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_the_same(cls, sent: Any) -> Any:
        return fixed(sent, FIXED, "cannot change, as calls name it: define another campaign")


class CampaignController(Controller):
    """One client's administrator sees and defines that client's campaigns, and of others' its own calls alone."""

    path = "/api/admin/campaigns"
    tags = ("campaigns",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="List campaigns, the newest first, and those that nobody has defined")
    async def list_campaigns(
        self,
        request: Asking,
        campaigns: NamedDependency[Campaigns],
        synthetic_mode: NamedDependency[Synthetic],
        *,
        client_id: ClientFilter = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> CampaignList:
        client, today = own_client(request.user, client_id), campaigns.today()
        found = await campaigns.book.page(client, after=after_of(cursor), size=limit + 1)
        page, following = page_of(found, limit)
        return CampaignList(
            campaigns=[CampaignBody.of(one, today) for one in page],
            undefined=[] if cursor is not None else await campaigns.undefined(client, synthetic_mode),
            next_cursor=following,
        )

    @get("/{campaign:str}", summary="One campaign, by what calls name it or its id")
    async def get_campaign(
        self,
        campaign: FromPath[str],
        request: Asking,
        campaigns: NamedDependency[Campaigns],
        client_id: ClientFilter = None,
    ) -> CampaignBody:
        return CampaignBody.of(
            await campaigns.book.one(campaign, own_client(request.user, client_id)), campaigns.today()
        )

    @get("/{campaign:str}/report", summary="What a campaign costs, and how much of its budget is used")
    async def report(
        self,
        campaign: FromPath[str],
        request: Asking,
        campaigns: NamedDependency[Campaigns],
        synthetic_mode: NamedDependency[Synthetic],
        *,
        days: Days = None,
        first: First = None,
        last: Last = None,
        client_id: ClientFilter = None,
    ) -> CampaignReport:
        """By day, model, feature, client and user. The budget counts all calls that name the campaign, whenever they
        were made. Of a campaign that nobody has defined, `advice` says so; 404 where no call names it either.
        """
        client = own_client(request.user, client_id)
        found = await campaigns.book.find(campaign, client)
        query = _query(campaigns, found, client, synthetic_mode, days=days, first=first, last=last)
        return await campaigns.report(_named(found, campaign), found, query)

    @get("/{campaign:str}/report.csv", summary="The same as a table", media_type=CSV)
    async def table(
        self,
        campaign: FromPath[str],
        request: Asking,
        campaigns: NamedDependency[Campaigns],
        synthetic_mode: NamedDependency[Synthetic],
        *,
        days: Days = None,
        first: First = None,
        last: Last = None,
        client_id: ClientFilter = None,
    ) -> Response[str]:
        """A row for each day, client, model and feature with calls."""
        client = own_client(request.user, client_id)
        found = await campaigns.book.find(campaign, client)
        query = _query(campaigns, found, client, synthetic_mode, days=days, first=first, last=last)
        rows = await campaigns.table(_named(found, campaign), found, query)
        text = text_of([columns_of(CampaignRow), *(values_of(row) for row in rows)])
        window = query.window
        file = f"twinmeter-campaign-{window.first}-to-{window.last}.csv"
        return Response(text, media_type=CSV, headers={"Content-Disposition": f'attachment; filename="{file}"'})

    @post("/", summary="Define a campaign")
    async def define(
        self, data: JSONBody[NewCampaign], request: Asking, campaigns: NamedDependency[Campaigns]
    ) -> CampaignBody:
        """With a budget, a soft limit of the campaign is set in the same step: it alerts at 80, 90 and 100 %, and lets
        calls pass. What calls have named so already counts. 409 where it is there.
        """
        client = own_client(request.user, data.client_id)
        made = await campaigns.book.add(data.given(), client=client, by=request.user.subject)
        return CampaignBody.of(made, campaigns.today())

    @patch("/{campaign:str}", summary="Change a campaign")
    async def change(
        self,
        campaign: FromPath[str],
        data: JSONBody[CampaignChange],
        request: Asking,
        campaigns: NamedDependency[Campaigns],
        client_id: ClientFilter = None,
    ) -> CampaignBody:
        """What calls name it stays. Another budget is another amount of its limit; null ends that."""
        client = own_client(request.user, client_id)
        changed = await campaigns.book.change(campaign, data.given(), client=client, by=request.user.subject)
        return CampaignBody.of(changed, campaigns.today())


def _named(campaign: Campaign | None, name: str) -> str:
    return name if campaign is None else campaign.campaign_id


def _query(
    campaigns: Campaigns,
    campaign: Campaign | None,
    client: str | None,
    synthetic: Synthetic,
    *,
    days: int | None,
    first: date | None,
    last: date | None,
) -> ReportQuery:
    if (days, first, last) == (None, None, None):
        window = campaigns.window_of(campaign)
    else:
        window = requested_window(days=days, first=first, last=last, now=campaigns.now(), zone=campaigns.zone)
    of = client if campaign is None or campaign.client_id is None else campaign.client_id
    return ReportQuery(window, Filters(client_id=of), synthetic)
