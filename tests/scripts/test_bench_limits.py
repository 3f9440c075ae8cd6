"""What the benchmarks of limits and of spending alerts work out by themselves."""

from app.auth.tokens import Tokens
from app.database import Database
from app.settings import Settings
from models.money import USD_PLACES
from scripts.bench import asking, door, http_load, spending
from scripts.bench.load import calls
from scripts.bench.results import Results
from scripts.bench.years import BUSINESSES
from tests.live.conftest import serving


class Here:
    """A client of this process."""

    fire = staticmethod(http_load.carried_out)


async def test_what_is_held_and_settled_over_http_is_asked_of_the_database(
    mongodb_uri: str, settings: Settings, database: Database
) -> None:
    results = Results()
    async with (
        serving(settings, mongodb_uri) as site,
        door.sending_to(site.address, database, Tokens.of(settings)) as served,
    ):
        (await served.admin.post("/api/admin/plans", json=asking.PLAN)).raise_for_status()
        await asking.take(served, Here(), asking.Step("many", 2, list(calls(12))), results)

    counts = {name: (row["sent"], row["committed"], row["refused"]) for name, row in results.table.items()}
    assert counts == {"reserve, many, 2 senders": (12, 12, 0), "report, many, 2 senders": (12, 12, 0)}
    assert results.faults == []


async def test_what_is_not_held_is_no_rate(mongodb_uri: str, settings: Settings, database: Database) -> None:
    results = Results()
    async with (
        serving(settings, mongodb_uri) as site,
        door.sending_to(site.address, database, Tokens.of(settings)) as served,
    ):
        await asking.take(served, Here(), asking.Step("nobody", 1, list(calls(2))), results)

    assert results.table["reserve, nobody, 1 senders"]["per_s"] == 0
    assert results.faults == ["reserve, nobody, 1 senders: 0 of 2 are held"]


def test_a_year_says_what_was_told_and_what_was_found() -> None:
    years: list[int] = []
    table = spending.measure(1, 10 * 10**USD_PLACES, years.append)

    assert len(years) == len(table) == len(BUSINESSES)
    assert table["office"] == {
        "alerts": 1,
        "of_launches": 0,
        "dear_days": 17,
        "found": 17,
        "in_the_hour": 14,
        "by_the_next": 17,
    }
    assert (table["launching"]["alerts"], table["launching"]["of_launches"]) == (4, 4)
