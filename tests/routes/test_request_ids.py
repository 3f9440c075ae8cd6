"""Request ids belong to whoever may claim them: an application to its client, a user's own token to that user."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import uuid4

import pytest
from bson import ObjectId
from httpx import Response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from app.ledger.twins import twin_id
from tests.conftest import SECRET
from tests.otlp.exports import CHAT, export, span
from tests.routes.conftest import application
from tests.twins import assert_twins

Client = AsyncTestClient[Litestar]
HOUR = timedelta(hours=1)
TOKENS = Tokens(SECRET)
PRICE = {1: Decimal("0.0000025"), 796_000: Decimal("1.99")}
"""What so many input tokens of gpt-4o cost."""
RESPONSE = "chatcmpl-CkS8m1tPqVx2Zr9aYw4NfB7u"


class Shop:
    """One client of a deployment, with an application and users of its own."""

    def __init__(self, client: Client, database: Database) -> None:
        self.name = f"shop-{uuid4().hex[:8]}"
        self._client = client
        self._ledger = database.ledger

    def headers(self, who: str) -> dict[str, str]:
        role = Role.SERVICE if who == "application" else Role.USER
        return {"Authorization": f"Bearer {TOKENS.issue(who, role, HOUR, self.name)}"}

    async def report(self, who: str, request_id: str, tokens: int = 1, **more: Any) -> dict[str, Any]:
        call = {"contentType": "chat", "model": "gpt-4o", "requestId": request_id, "inputTokens": tokens, **more}
        response = await self._client.post("/api/ai/track", json=call, headers=self.headers(who))
        assert response.status_code in {200, 201}, response.text
        receipt: dict[str, Any] = response.json()
        return receipt

    async def batch(self, who: str, rows: Sequence[tuple[str, str, int]]) -> list[dict[str, Any]]:
        """Rows of user, request id and tokens."""
        calls = [
            {"userId": user, "contentType": "chat", "model": "gpt-4o", "requestId": request_id, "inputTokens": tokens}
            for user, request_id, tokens in rows
        ]
        response = await self._client.post("/api/ai/track/batch", json=calls, headers=self.headers(who))
        assert response.status_code == 200, response.text
        receipts: list[dict[str, Any]] = response.json()["receipts"]
        return receipts

    async def export(self, who: str, user: str | None = None, tokens: int = 1) -> Response:
        """The span of one answer, which `who` exports."""
        said = {"gen_ai.usage.input_tokens": tokens, "gen_ai.response.id": RESPONSE}
        own = {} if user is None else {"user.id": user}
        content = export(span(1, {**CHAT, **said, **own})).SerializeToString()
        headers = {**self.headers(who), "Content-Type": "application/x-protobuf"}
        response = await self._client.post("/v1/traces", content=content, headers=headers)
        assert response.status_code == 200, response.text
        return response

    async def stored(self) -> list[tuple[str, int]]:
        """Whose calls are in the ledger, and their tokens."""
        found = await self._ledger.find({"clientId": self.name}).to_list(None)
        return sorted((entry["userId"], entry["inputTokens"]) for entry in found)

    async def age(self, request_id: str, entry_id: str) -> None:
        """Store a call as versions before did: under the id of its request for the whole client."""
        old = ObjectId(entry_id)
        for collection in (self._ledger, self._ledger.database["analytics"]):
            document = await collection.find_one({"_id": old})
            assert document is not None
            await collection.delete_one({"_id": old})
            await collection.insert_one({**document, "_id": twin_id(self.name, request_id)})


@pytest.fixture(scope="module")
async def deployment(
    mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Client, Database]]:
    async with application(mongodb_uri, tmp_path_factory.mktemp("shops")) as found:
        yield found
        await assert_twins(found[1])


@pytest.fixture
def shop(deployment: tuple[Client, Database]) -> Shop:
    return Shop(*deployment)


async def test_a_user_cannot_learn_of_another_s_call_by_its_request_id(shop: Shop) -> None:
    await shop.report("application", "r1", 796_000, userId="ann")
    await shop.report("ann", "r2", 796_000)

    for request_id in ("r1", "r2"):
        told = await shop.report("eve", request_id)
        assert (told["status"], Decimal(str(told["cost"])), told["conflicting"]) == ("committed", PRICE[1], False)


async def test_a_user_cannot_suppress_another_s_call_by_claiming_its_request_id_first(shop: Shop) -> None:
    for request_id in ("r1", "r2"):
        await shop.report("eve", request_id, cost=0)

    by_application = await shop.report("application", "r1", 796_000, userId="ann")
    by_ann = await shop.report("ann", "r2", 796_000)

    for told in (by_application, by_ann):
        assert (told["status"], Decimal(str(told["cost"]))) == ("committed", PRICE[796_000])
    assert await shop.stored() == [("ann", 796_000)] * 2 + [("eve", 1)] * 2


async def test_what_the_application_reported_for_a_user_is_the_same_call_when_the_user_reports_it(shop: Shop) -> None:
    first = await shop.report("application", "r", 796_000, userId="ann")

    same = await shop.report("ann", "r", 796_000)
    other = await shop.report("ann", "r", 1)
    in_a_batch = await shop.batch("ann", [("ann", "r", 796_000), ("ann", "new", 1), ("ann", "new", 1)])

    assert (same["status"], same["conflicting"], same["id"]) == ("duplicate", False, first["id"])
    assert (other["status"], other["conflicting"], other["cost"]) == ("duplicate", True, first["cost"])
    assert [receipt["status"] for receipt in in_a_batch] == ["duplicate", "committed", "duplicate"]
    assert await shop.stored() == [("ann", 1), ("ann", 796_000)]


async def test_an_application_s_word_is_never_suppressed_by_what_a_user_claimed(shop: Shop) -> None:
    """A user's own usage as well: who knows the id of an answer could else report it first, at no cost."""
    await shop.report("ann", "r", cost=0)

    assert (await shop.report("application", "r", 796_000, userId="ann"))["status"] == "committed"
    assert (await shop.report("application", "r", 796_000, userId="ann"))["status"] == "duplicate"


async def test_a_user_s_call_of_an_earlier_version_is_the_same_call_when_it_is_sent_again(shop: Shop) -> None:
    told = await shop.report("ann", "r", 796_000)
    await shop.age("r", told["id"])

    again = await shop.report("ann", "r", 796_000)
    by_application = await shop.report("application", "r", 796_000, userId="ann")
    by_eve = await shop.report("eve", "r", 1)

    assert [(each["status"], each["conflicting"]) for each in (again, by_application)] == [("duplicate", False)] * 2
    assert again["id"] == by_application["id"] == str(twin_id(shop.name, "r"))
    assert (by_eve["status"], Decimal(str(by_eve["cost"]))) == ("committed", PRICE[1])
    assert await shop.stored() == [("ann", 796_000), ("eve", 1)]


async def test_answers_that_users_export_belong_to_them_as_well(shop: Shop) -> None:
    await shop.export("eve")
    await shop.export("ann", tokens=796_000)
    await shop.export("ann", tokens=796_000)
    await shop.export("application", user="bob", tokens=796_000)
    await shop.export("bob", tokens=796_000)

    assert await shop.stored() == [("ann", 796_000), ("bob", 796_000), ("eve", 1)]


APPLICATION = "application"
Report = tuple[str, str, str, int]
"""Who reports, for which user, under which id, and how many tokens."""
BY = st.sampled_from([("ann", "ann"), ("eve", "eve"), (APPLICATION, "ann"), (APPLICATION, "eve")])
REPORTS = st.lists(st.tuples(BY, st.sampled_from("ab"), st.integers(1, 3)), max_size=12)


class Expected:
    """What should be stored, by what it was reported under, and which of it stands for a report."""

    def __init__(self) -> None:
        self.by_application: dict[str, tuple[str, int]] = {}
        self.by_user: dict[tuple[str, str], tuple[str, int]] = {}

    def told(self, who: str, user: str, name: str, tokens: int) -> tuple[str, Decimal, bool]:
        """The receipt of a report."""
        new = (user, tokens)
        if who == APPLICATION:
            stands = self.by_application.setdefault(name, new)
        elif (user, name) not in self.by_user and self.by_application.get(name, new)[0] == user:
            stands = self.by_application.get(name) or self.by_user.setdefault((user, name), new)
        else:
            stands = self.by_user.setdefault((user, name), new)
        return ("committed" if stands is new else "duplicate", stands[1] * PRICE[1], stands != new)

    def stored(self) -> list[tuple[str, int]]:
        return sorted([*self.by_application.values(), *self.by_user.values()])


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reports=REPORTS, in_batches=st.booleans())
async def test_whoever_reports_what_each_call_counts_once_and_is_told_to_its_user_alone(
    deployment: tuple[Client, Database], reports: list[tuple[tuple[str, str], str, int]], *, in_batches: bool
) -> None:
    shop, expected = Shop(*deployment), Expected()
    made = [(who, user, name, tokens) for (who, user), name, tokens in reports]
    for turn in _turns(made) if in_batches else [[report] for report in made]:
        receipts = await shop.batch(turn[0][0], [(user, name, tokens) for _, user, name, tokens in turn])
        for report, receipt in zip(turn, receipts, strict=True):
            told = (receipt["status"], Decimal(str(receipt["cost"])), receipt["conflicting"])
            assert told == expected.told(*report), report

    assert await shop.stored() == expected.stored()


def _turns(reports: Sequence[Report]) -> list[list[Report]]:
    """What one of them reports in a row, as a batch."""
    return [list(turn) for _, turn in groupby(reports, key=itemgetter(0))]
