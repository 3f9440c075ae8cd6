"""The calls of the last days: unpriced, estimated, and impossible ones."""

from datetime import timedelta
from typing import Any

from app.reports.parts.figures import summed
from app.reports.quality import DataQualityReport
from app.reports.queries import rollups
from app.reports.query import ReportQuery, Synthetic
from app.reports.reader import reading
from app.reports.reports import Reports
from app.reports.windows import TimeWindow
from models.fields import CLOCK_TOLERANCE
from models.refusals import LATE_DAYS
from models.rollups import CAPS
from scripts.diagnosis import words
from scripts.diagnosis.finding import Check, Deployment, Finding, Group, notice, ok, problem

DAYS = 30
MUCH_UNPRICED = 10
MUCH_ESTIMATED = 20
"""Percent of all calls."""
FOR_EVER = 36_500
REPRICE = "python -m scripts.reprice --only unpriced --execute"
PURGE = "python -m scripts.purge_synthetic"


async def unpriced(deployment: Deployment) -> Finding:
    report = await _quality(deployment)
    total, found = report.totals.requests, report.totals.unpriced
    if not total:
        return ok(f"no calls in the last {DAYS} days")
    if not found:
        return ok(f"each of {words.counted(total, 'call')} in {DAYS} days has a cost")
    models = words.some(f"{row.model} at {row.provider} ({row.requests:,})" for row in report.unpriced_models)
    said = (
        f"{found:,} of {words.counted(total, 'call')} in {DAYS} days ({report.unpriced_share} %) have no cost: {models}"
    )
    advice = f"set a price (POST /api/admin/prices) or report cost with the calls; then reprice those stored: {REPRICE}"
    return (problem if 100 * found >= MUCH_UNPRICED * total else notice)(said, advice)


async def estimated(deployment: Deployment) -> Finding:
    report = await _quality(deployment)
    total, found = report.totals.requests, report.totals.estimated
    if not found:
        return ok(f"no cost of {DAYS} days is based on estimated tokens")
    models = words.some(f"{row.model} ({row.requests:,})" for row in report.estimated_models)
    share = f"{found:,} of {words.counted(total, 'call')} in {DAYS} days ({report.estimated_share} %)"
    said = f"{share} are based on estimated tokens: {models}"
    if 100 * found < MUCH_ESTIMATED * total:
        return ok(said)
    return notice(said, "report input_tokens and output_tokens, or the response's usage, with the calls")


async def impossible(deployment: Deployment) -> Finding:
    found = (await _quality(deployment)).impossible_pairs
    if not found:
        return ok(f"every model of {DAYS} days was reported with a provider that sells it")
    pairs = words.some(f"{row.model} at {row.reported_provider} ({row.requests:,})" for row in found)
    count = words.counted(len(found), "impossible pair")
    said = f"{count} of provider and model: {pairs}; counted under the provider that sells the model"
    return notice(said, "correct the provider where the calls are reported, or leave it out")


async def unmapped(deployment: Deployment) -> Finding:
    found = (await _quality(deployment)).unmapped_content_types
    if not found:
        return ok(f"every content type of {DAYS} days belongs to a feature")
    types = words.some(f"{row.content_type} ({row.requests:,})" for row in found)
    said = f"{words.counted(len(found), 'content type')} without a feature, each counted as its own: {types}"
    return notice(said, "map each to a feature in the file that TWINMETER_FEATURES_FILE names")


async def unreadable(deployment: Deployment) -> Finding:
    found = (await _quality(deployment)).unreadable_usage
    if not found:
        return ok(f"the usage of every response of {DAYS} days could be read")
    said = f"{words.counted(found, 'call')} in {DAYS} days whose usage could not be read from the response"
    return notice(said, "report input_tokens and output_tokens instead of the response")


async def folded(deployment: Deployment) -> Finding:
    found = (await _quality(deployment)).folded_names
    if not found:
        return ok(f"no name of {DAYS} days is beyond the cap of its client")
    names = words.some(f"{row.dimension} ({row.requests:,})" for row in found)
    caps = ", ".join(f"{CAPS[name]:,} {name}s" for name in ("provider", "model", "feature"))
    said = f"calls with names beyond the cap of their client ({caps}) count as other: {names}"
    return notice(said, "do not report ids or free text as model, provider, feature or content type")


async def future(deployment: Deployment) -> Finding:
    """Calls dated further ahead than any ingest channel accepts."""
    ahead = {"createdAt": {"$gt": deployment.clock() + CLOCK_TOLERANCE}}
    ledger = deployment.database.ledger
    if not (count := await ledger.count_documents(ahead)):
        return ok("no call is dated in the future")
    last: dict[str, Any] = await ledger.find_one(ahead, {"createdAt": 1}, sort=[("createdAt", -1)]) or {}
    moment = last["createdAt"].isoformat(timespec="seconds")
    said = f"{words.counted(count, 'call')} dated in the future, the last {moment} ({last['_id']})"
    return notice(said, "fix the clock of the reporter or the time zone of an import; no report counts them until then")


async def late(deployment: Deployment) -> Finding:
    """Calls that were reported long after their date."""
    found = (await _quality(deployment)).late_calls or []
    if not (count := sum(row.calls for row in found)):
        return ok(f"no call of {DAYS} days was reported more than {LATE_DAYS} days after its date")
    doors = words.some(f"{row.door} ({row.calls:,})" for row in found)
    said = f"{words.counted(count, 'call')} in {DAYS} days dated more than {LATE_DAYS} days before: {doors}"
    return notice(said, "check the clocks and createdAt of those who report; history is for scripts.import_usage")


async def synthetic(deployment: Deployment) -> Finding:
    """All of them ever, from cells and deltas."""
    today = deployment.clock().date()
    ever = TimeWindow(today - timedelta(days=FOR_EVER), today + timedelta(days=FOR_EVER), deployment.settings.zone)
    async with reading(deployment.database) as read:
        rows = await read.cells(rollups.by_day(ReportQuery(ever, synthetic=Synthetic.ONLY)))
    if not (found := summed(rows)["requests"]):
        return ok("no synthetic calls")
    shown = "counted in every report" if deployment.settings.show_synthetic else "left out of reports"
    return notice(
        f"{words.counted(found, 'synthetic call')}, {shown}", f"remove them before going into production: {PURGE}"
    )


async def _quality(deployment: Deployment) -> DataQualityReport:
    last = deployment.clock().astimezone(deployment.settings.zone).date()
    window = TimeWindow(last - timedelta(days=DAYS - 1), last, deployment.settings.zone)
    return await Reports(deployment.database, deployment.settings.zone).data_quality(ReportQuery(window))


GROUP = Group(
    "calls",
    (
        Check("unpriced", unpriced),
        Check("estimated", estimated),
        Check("impossible pairs", impossible),
        Check("unmapped types", unmapped),
        Check("unreadable usage", unreadable),
        Check("folded names", folded),
        Check("future calls", future),
        Check("late calls", late),
        Check("synthetic calls", synthetic),
    ),
)
