"""What is read beside an experiment: what users cost before it, and which experiments calls name."""

from bson import Decimal128

from app.finance.experiments.figures import BEFORE_DAYS
from app.finance.experiments.known import user_key
from app.reports.queries.rollup_rows import Query, synthetic_of
from app.reports.query import Synthetic
from app.reports.reader import Documents, Reader
from app.reports.windows import DAY
from models.documents import Document
from models.experiments import Experiment
from models.money import stored_units
from models.rollups import DELTAS, NAMES, USERS, unescaped


def days_before(experiment: Experiment) -> dict[str, str]:
    """The condition for the days whose costs make later ones comparable."""
    first, last = experiment.begins - BEFORE_DAYS * DAY, experiment.begins - DAY
    return {"$gte": first.isoformat(), "$lte": last.isoformat()}


def costs_before(experiment: Experiment, synthetic: Synthetic) -> Query:
    """What users cost on these days: `costs_of` reads its rows."""
    client = {} if experiment.client_id is None else {"client": {"$eq": experiment.client_id}}
    days = days_before(experiment)
    where = {"day": days, "synthetic": {"$in": synthetic_of(synthetic)}, **client}
    waiting: list[Document] = [
        {"$match": {"days": {"$elemMatch": days}}},
        {"$unwind": "$usage"},
        {"$match": {f"usage.{name}": condition for name, condition in where.items()}},
        {"$unwind": "$usage.users"},
        {"$project": {"client": "$usage.client", "user": "$usage.users.user", "cost": "$usage.users.cost"}},
    ]
    return USERS, [
        {"$match": {f"_id.{name}": condition for name, condition in where.items()}},
        {"$project": {"client": "$_id.client", "user": "$_id.user", "cost": 1}},
        {"$unionWith": {"coll": DELTAS, "pipeline": waiting}},
        {"$group": {"_id": {"client": "$client", "user": "$user"}, "cost": {"$sum": "$cost"}}},
    ]


def costs_of(rows: Documents) -> dict[str, int]:
    """By user, in units of 1e-15 USD; who cost nothing is absent."""
    return {
        user_key(row["_id"]["client"], row["_id"]["user"]): units
        for row in rows
        if isinstance(row["cost"], Decimal128) and (units := stored_units(row["cost"]))
    }


async def names_seen(read: Reader, client: str | None) -> dict[str, set[str]]:
    """By experiment: the variants that calls of one client, or of any, have named."""
    of = {} if client is None else {"_id": {"$eq": client}}
    seen: dict[str, set[str]] = {}
    for names in await read.find(NAMES, {"variant": {"$exists": True}, **of}, {"variant": 1}):
        for name in names["variant"]:
            experiment, _, variant = name.partition("|")
            seen.setdefault(unescaped(experiment), set()).add(unescaped(variant))
    return seen
