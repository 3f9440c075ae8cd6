"""The application: its routes, and the lifespan of what they use."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.middleware import DefineMiddleware
from litestar.plugins.pydantic import PydanticPlugin
from litestar.types import ASGIApp
from pymongo.errors import PyMongoError

from app.alerts.alerts import open_alerts
from app.auth.api_keys import open_key_ring
from app.auth.attempts import RefusedCredentials
from app.auth.middleware import AuthenticationMiddleware, within_panel
from app.auth.oidc.sign_in import open_sign_ins
from app.auth.sessions import Sessions
from app.auth.tokens import open_tokens
from app.data_folder import unusable
from app.database import connected
from app.database.start_failures import failure_of
from app.errors import AppError, ConfigurationError
from app.events.recording import EventRecorder
from app.finance.campaigns.campaigns import Campaigns
from app.finance.experiments.experiments import open_experiments
from app.finance.figures.finance import Finance
from app.finance.forecast.forecasts import Forecasts
from app.finance.months.mailing import MonthMails
from app.finance.months.months import Months
from app.finance.months.printing.printer import Printer
from app.finance.revenue.due import open_due
from app.finance.stripe.billing import open_billing
from app.finance.upgrades.upgrades import FeatureUpgradesReports
from app.gateway.gateway import open_gateway
from app.http import openapi, problems
from app.http.bodies import BodyBudget
from app.http.cors import CrossOrigin
from app.http.head import HeadIsGet
from app.http.middleware import RequestLimits, add_headers, within_rate
from app.http.proxies import BehindProxies
from app.http.rate_limit import RateLimit
from app.http.serialization import ExactRequest, ExactResponse, in_turns_encoded
from app.limits import open_limits
from app.live import open_hub
from app.maintenance.repricing.runs import open_repricings
from app.observability.lag import LoopWatch
from app.observability.logs import Log
from app.observability.metrics import Counters
from app.observability.shared_metrics import Worker
from app.otlp.memory import ExportMemory
from app.process import background, collect_when_idle
from app.reports.queries.views import ensure_views
from app.reports.reports import Reports
from app.rollups.state import stored_state
from app.settings import Settings
from app.tracking import open_tracker
from app.web.assets import Assets
from app.web.pages import templates
from routes.admin import AdminController
from routes.administration.alerts import AlertController
from routes.administration.annotations import NoteController, ViewController
from routes.administration.audit import AuditController
from routes.administration.deliveries import DeliveryController
from routes.administration.endpoints import EndpointController
from routes.administration.finance.budgets import BudgetController
from routes.administration.finance.campaigns import CampaignController
from routes.administration.finance.experiments import ExperimentController
from routes.administration.finance.figures import FinanceController
from routes.administration.finance.forecast import ForecastController
from routes.administration.finance.months import MonthController
from routes.administration.finance.provider_invoices import ProviderInvoiceController
from routes.administration.finance.rates import RateController
from routes.administration.finance.revenue import RevenueController
from routes.administration.finance.stripe import StripeController
from routes.administration.finance.upgrades import UpgradeController
from routes.administration.gateway_cache import GatewayCacheController
from routes.administration.gateway_figures import GatewayFiguresController
from routes.administration.grants import GrantController
from routes.administration.limits import DefinedLimitController
from routes.administration.mutes import MuteController
from routes.administration.plans import PlanController
from routes.administration.repricing import RepricingController
from routes.administration.settings import SettingsController
from routes.administration.subscriptions import SubscriptionController
from routes.administration.upstreams import UpstreamController
from routes.analytics import AnalyticsController
from routes.api_keys import ApiKeyController
from routes.dependencies import DEPENDENCIES
from routes.direct import Direct
from routes.downloads import DownloadController
from routes.events import EventController
from routes.gateway.door import GatewayDoor
from routes.gateway.paths import OWN as GATEWAY_PATHS
from routes.health import HealthController
from routes.limits import LimitController
from routes.live import LiveController
from routes.otlp import OtlpController
from routes.pages import PageController
from routes.panel import PanelController
from routes.prices import PriceController
from routes.queries import QUERIES
from routes.search import SearchController
from routes.sessions import SessionController
from routes.sign_in import SignInController
from routes.stripe_webhook import StripeWebhookController
from routes.summary import SummaryController
from routes.technical import TechnicalController
from routes.track import TrackController

log = Log(__name__)

MAX_BODY_BYTES = 1_000_000
# OPTIONS asks for credentials as any other method: the guards behind it need a caller
OPEN_TO_ANYONE = {"exclude": f"^{openapi.PATH}(/|$)", "exclude_http_methods": ()}


def create_app(
    settings: Settings,
    mongodb_uri: str,
    on_failure: Callable[[AppError], None] = lambda _: None,
    worker: Worker | None = None,
) -> Litestar:
    """The ASGI application of one deployment. It connects to MongoDB when it starts.

    Raises ConfigurationError where the settings cannot be used. `on_failure` is called with the reason when the start
    fails, which an ASGI server can only log. `worker` says what it shares with others, where it is one of several
    processes.
    """
    limits = RequestLimits()

    @asynccontextmanager
    async def services(app: Litestar) -> AsyncIterator[None]:
        counters = Counters(worker)
        try:
            async with (
                connected(mongodb_uri, settings.database) as database,
                open_tracker(settings, database, counters) as tracker,
                open_alerts(settings, database, counters, tracker.troubles) as alerts,
                open_limits(database, settings.zone) as usage_limits,
                open_key_ring(database) as api_keys,
                open_tokens(settings) as tokens,
                open_sign_ins(settings) as sign_ins,
                open_hub(database, counters) as live,
                open_repricings(database, settings) as repricings,
                open_experiments(database, settings.zone) as experiments,
                open_gateway(settings, database, tracker, tracker.troubles) as gateway,
                open_due(database, settings.zone, tracker.troubles) as due,
                open_billing(settings, database, tracker.troubles, usage_limits.changed) as billing,
                background(LoopWatch(counters, limits.in_hand).run(), "lag"),
                background(collect_when_idle(limits.in_hand), "garbage"),
                background(counters.keep_published(), "metrics"),
            ):
                tracker.enforce(usage_limits)
                api_keys.on_met = usage_limits.definitions.refresh
                if gateway is not None:
                    api_keys.on_revoked = gateway.calls.end_calls_of
                usage_limits.crossings.on_crossed = alerts.on_crossed
                await ensure_views(database, (await stored_state(database))["timezone"])
                reports, finance = Reports(database, settings.zone), Finance(database, settings.zone, due.book_due)
                months, printer = Months(database, usage_limits.definitions, finance), Printer(settings.public_url)
                mails = MonthMails(settings, database, months, printer, tracker.troubles)
                app.state.update(
                    settings=settings,
                    database=database,
                    tracker=tracker,
                    price_book=tracker.price_book,
                    repricings=repricings,
                    limits=usage_limits,
                    alerts=alerts,
                    reports=reports,
                    campaigns=Campaigns(database, usage_limits, settings.zone),
                    experiments=experiments,
                    forecasts=Forecasts(database, settings.zone),
                    months=months,
                    printer=printer,
                    finance=finance,
                    feature_upgrades=FeatureUpgradesReports(database, finance, reports),
                    api_keys=api_keys,
                    tokens=tokens,
                    body_budget=BodyBudget(),
                    export_memory=ExportMemory(),
                    event_recorder=EventRecorder(database, counters),
                    live=live,
                    gateway=gateway,
                    billing=billing,
                    rate_limit=RateLimit(settings.rate_limit, worker and worker.folder / "rate_limit"),
                    refused_credentials=RefusedCredentials(
                        counters, shared=worker and worker.folder / "refused_credentials"
                    ),
                    assets=Assets(settings.data_dir),
                    sessions=Sessions(settings.signing_secret, settings.session_lifetime),
                    sign_ins=sign_ins,
                )
                async with (
                    background(mails.run(), "twinmeter-month-report"),
                    background(finance.warm_up(), "finance"),
                ):
                    yield
        except Exception as error:
            on_failure(_reason(error, settings))
            raise

    app = Litestar(
        # routes
        route_handlers=[
            TrackController,
            OtlpController,
            AdminController,
            SearchController,
            LiveController,
            DownloadController,
            SummaryController,
            TechnicalController,
            AnalyticsController,
            EventController,
            PriceController,
            RepricingController,
            SettingsController,
            ApiKeyController,
            PlanController,
            SubscriptionController,
            DefinedLimitController,
            GrantController,
            AlertController,
            AuditController,
            DeliveryController,
            EndpointController,
            MuteController,
            NoteController,
            ViewController,
            UpstreamController,
            GatewayCacheController,
            GatewayFiguresController,
            CampaignController,
            ExperimentController,
            FinanceController,
            ForecastController,
            BudgetController,
            UpgradeController,
            MonthController,
            ProviderInvoiceController,
            RevenueController,
            RateController,
            PanelController,
            LimitController,
            HealthController,
            PageController,
            SessionController,
            SignInController,
            StripeController,
            StripeWebhookController,
        ],
        dependencies=DEPENDENCIES | QUERIES,
        # life
        lifespan=[services],
        # requests and responses
        request_class=ExactRequest,
        response_class=ExactResponse,
        request_max_body_size=MAX_BODY_BYTES,
        plugins=[PydanticPlugin(prefer_alias=True), openapi.DecimalsAreNumbers()],
        template_config=templates(),
        # access and errors
        middleware=[limits, DefineMiddleware(AuthenticationMiddleware, **OPEN_TO_ANYONE)],
        guards=[within_panel, within_rate],
        after_request=in_turns_encoded,
        before_send=[add_headers],
        exception_handlers=problems.HANDLERS,
        # logs are structlog's, see app.observability.logs
        logging_config=None,
        # documentation
        openapi_config=openapi.config(),
    )
    # before routing, which is slow, and knows no HEAD, no preflights and no prefix of a proxy
    handler: ASGIApp = HeadIsGet(Direct(GatewayDoor(app.asgi_handler, app.state, limits), app.state, limits))
    if settings.cors_origins or settings.embed_origins:
        handler = CrossOrigin(handler, settings.cors_origins, settings.embed_origins)
    app.asgi_handler = BehindProxies(
        handler,
        root_path=settings.root_path,
        trusted=settings.trusted_proxies,
        own={route.path for route in app.routes}.union(() if settings.gateway_file is None else GATEWAY_PATHS),
    )
    return app


def say_stopping(app: ASGIApp) -> None:
    """Let `/ready` tell load balancers to send elsewhere."""
    if isinstance(app, Litestar):
        app.state.stopping = True


def _reason(error: Exception, settings: Settings) -> AppError:
    """Why the start failed, with the way out where there is one."""
    match error:
        case AppError():
            return error
        case PyMongoError():
            return failure_of(error, settings.database)
        case OSError():
            return unusable(settings.data_dir, error)
    log.error("start.failed", exc_info=error)
    return ConfigurationError(f"an unexpected {type(error).__name__}, which is in the log: {error}")


def end_streams(app: ASGIApp) -> None:
    """End open event streams, which a stopping server would otherwise wait for."""
    if isinstance(app, Litestar) and (live := app.state.get("live")) is not None:
        live.close()
