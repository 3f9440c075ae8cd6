"""An erased user is a pseudonym at Stripe's objects too, and stays one whatever Stripe sends later."""

from app.database import Database
from app.finance.stripe.settling import Settling
from app.maintenance.erasure.limits import ErasedLimits
from app.maintenance.erasure.pseudonyms import Rename
from app.maintenance.erasure.stripe import ErasedStripe
from models.revenue import REVENUE
from models.stripe import OBJECTS
from tests.finance.stripe import objects
from tests.finance.stripe.objects import utc
from tests.finance.stripe.test_settling import U1, had, invoice, settling, subscription, take

__all__ = ["settling"]


async def test_later_events_name_the_user_no_more(database: Database, settling: Settling) -> None:
    await take(settling, subscription(), objects.customer("cus_1", **U1))
    rename = Rename.fresh("u1", "acme")

    assert await ErasedStripe(database, rename).count() == 2
    await ErasedLimits(database, rename).erase()
    assert await ErasedStripe(database, rename).erase() == 2
    await take(
        settling, subscription(status="past_due"), objects.customer("cus_1", **U1), invoice(), at=utc(2025, 3, 2)
    )

    assert await had(database) == {"sub_1": "ended pro"}
    (entry,) = [one async for one in database.writes[REVENUE].find()]
    assert (entry["userId"], entry["amount"].to_decimal()) == (rename.pseudonym, 30)
    assert [one async for one in database.writes[OBJECTS].find() if "u1" in str(one)] == []
    assert await ErasedStripe(database, rename).count() == 0


async def test_of_another_client_nothing_is_erased(database: Database, settling: Settling) -> None:
    await take(settling, subscription())

    assert await ErasedStripe(database, Rename.fresh("u1", "beta")).erase() == 0
    assert await had(database) == {"sub_1": "active pro"}
