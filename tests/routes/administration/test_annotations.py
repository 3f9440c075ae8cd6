"""Notes on the time line and saved views: who sees and changes which."""

from typing import Any

import pytest

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from app.maintenance.erasure.pseudonyms import Rename
from app.maintenance.erasure.views import erase_in_views
from tests.conftest import SECRET
from tests.routes.administration.conftest import Client
from tests.routes.conftest import bearer, holding

AT = "2026-11-12T09:30:00Z"
MARKUP = '<img src=x onerror=alert(1)> & {"$gt": ""}'


class Person:
    """Somebody who administers."""

    def __init__(self, client: Client, headers: dict[str, str]) -> None:
        self._client, self._headers = client, headers

    async def __call__(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        answer = await self._client.request(method, f"/api/admin{path}", json=body, headers=self._headers)
        assert answer.status_code == (status or {"POST": 201}.get(method, 200)), answer.text
        return answer.json()

    async def of_client(self, client_id: str) -> "Person":
        made = await self("POST", "/keys", {"name": "administrator", "scopes": ["admin"], "clientId": client_id})
        return Person(self._client, holding(made["key"]))


@pytest.fixture
def root(served: Client) -> Person:
    return Person(served, bearer(Tokens(SECRET), Role.ADMIN))


async def test_a_note_stays_the_text_that_it_is_and_belongs_to_its_client(root: Person) -> None:
    shop, other = await root.of_client("shop"), await root.of_client("other")
    made = await shop("POST", "/notes", {"at": AT, "text": f"  {MARKUP} "})
    assert (made["text"], made["at"], made["clientId"]) == (MARKUP, "2026-11-12T09:30:00.000Z", "shop")
    of_all = await root("POST", "/notes", {"at": "2026-11-13T00:00:00+01:00", "text": "a deploy"})
    assert (of_all["at"], of_all["clientId"]) == ("2026-11-12T23:00:00.000Z", None)

    assert (await root("GET", "/notes"))["notes"] == [of_all, made]
    assert (await shop("GET", "/notes"))["notes"] == [made]
    assert (await other("GET", "/notes"))["notes"] == []

    for method, body in (("PATCH", {"text": "mine now"}), ("DELETE", None)):
        refused = await other(method, f"/notes/{made['id']}", body, status=404)
        assert refused["detail"] == f"there is no note {made['id']}"
    changed = await shop("PATCH", f"/notes/{made['id']}", {"text": "v2"})
    assert changed == {**made, "text": "v2"}
    assert await shop("PATCH", f"/notes/{made['id']}", {}) == changed
    assert await shop("DELETE", f"/notes/{made['id']}") == changed
    assert await root("DELETE", f"/notes/{of_all['id']}") == of_all


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/notes", {"at": AT, "text": " "}, "text"),
        ("/notes", {"at": AT, "text": "x" * 201}, "text"),
        ("/notes", {"at": AT, "text": "one\ntwo"}, "text"),
        ("/notes", {"at": "yesterday", "text": "x"}, "at"),
        ("/notes", {"at": AT, "text": {"$gt": ""}}, "text"),
        ("/views", {"name": "x", "address": "https://elsewhere.example/admin"}, "address"),
        ("/views", {"name": "x", "address": "/admin/cost#x"}, "address"),
        ("/views", {"name": "x", "address": "/admin/../api"}, "address"),
        ("/views", {"name": "", "address": "/admin"}, "name"),
    ],
)
async def test_what_cannot_be_kept_is_refused_by_its_field(root: Person, path: str, body: Any, field: str) -> None:
    refused = await root("POST", path, body, status=400)
    assert [error["field"] for error in refused["errors"]] == [field]


async def test_a_view_is_its_makers_until_it_is_shared_and_then_that_of_the_same_reach(root: Person) -> None:
    one, two, other = [await root.of_client(name) for name in ("reach", "reach", "elsewhere")]
    made = await one("POST", "/views", {"name": "Dear calls", "address": "/admin/calls?sort=-cost"})
    assert made == {**made, "name": "Dear calls", "shared": False, "own": True}
    assert [(await each("GET", "/views"))["views"] for each in (one, two, other)] == [[made], [], []]

    shared = await one("PATCH", f"/views/{made['id']}", {"shared": True, "name": "Dearest"})
    assert shared == {**made, "shared": True, "name": "Dearest"}
    assert (await two("GET", "/views"))["views"] == [{**shared, "own": False}]
    assert (await other("GET", "/views"))["views"] == []
    for each in (two, other, root):
        await each("DELETE", f"/views/{made['id']}", status=404)
    assert await one("DELETE", f"/views/{made['id']}") == shared


async def test_there_is_an_end_to_notes_and_views(root: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.annotations.notes.MOST", 1)
    monkeypatch.setattr("app.annotations.views.MOST", 1)
    full = await root.of_client("full")
    for path, body, said in (
        ("/notes", {"at": AT, "text": "x"}, "there are 1 notes already: delete some"),
        ("/views", {"name": "x", "address": "/admin"}, "you have 1 views already: delete some"),
    ):
        await full("POST", path, body)
        assert (await full("POST", path, body, status=409))["detail"] == said


async def test_an_erased_user_is_in_no_saved_view(root: Person, stored: Database) -> None:
    for name in ("ann", "anna"):
        await root("POST", "/views", {"name": f"Of {name}", "address": f"/admin/usage/users?userId={name}"})
    await erase_in_views(stored, Rename("ann", None, "erased-1", b""))
    found = (await root("GET", "/views"))["views"]
    assert [(view["name"], view["address"]) for view in found] == [
        ("Of anna", "/admin/usage/users?userId=anna"),
        ("Of erased-1", "/admin/usage/users?userId=erased-1"),
    ]
