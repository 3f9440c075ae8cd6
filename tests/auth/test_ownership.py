"""What callers may name, and what they are told when they name another."""

from typing import Any

import pytest

from app.auth.ownership import own_client, owned
from app.auth.principals import Principal, Scope
from app.errors import InvalidRequestError, NotAllowedError
from app.reports.query import Filters
from routes.queries import narrowed

ALL = frozenset(Scope)
ADMIN = Principal("root", ALL, None, None)
CLIENT = Principal("key:k", ALL, "a", None)
USER = Principal("u1", ALL, "a", "u1")


@pytest.mark.parametrize(
    ("principal", "asked", "seen"),
    [
        (ADMIN, Filters(), Filters()),
        (ADMIN, Filters(client_id="b", user_id="u"), Filters(client_id="b", user_id="u")),
        (CLIENT, Filters(model="m"), Filters(model="m", client_id="a")),
        (CLIENT, Filters(client_id="a", user_id="u2"), Filters(client_id="a", user_id="u2")),
        (USER, Filters(), Filters(client_id="a", user_id="u1")),
        (USER, Filters(client_id="a", user_id="u1"), Filters(client_id="a", user_id="u1")),
    ],
)
def test_reads_are_narrowed_to_the_callers_own(principal: Principal, asked: Filters, seen: Filters) -> None:
    assert narrowed(principal, asked) == seen


@pytest.mark.parametrize(
    ("principal", "asked"),
    [
        (CLIENT, Filters(client_id="b")),
        (CLIENT, Filters(client_id="")),
        (USER, Filters(client_id="b")),
        (USER, Filters(user_id="u2")),
        (USER, Filters(client_id="a", user_id="")),
    ],
)
def test_asking_for_another_is_refused(principal: Principal, asked: Filters) -> None:
    with pytest.raises(NotAllowedError, match=r"is limited to (a|u1)"):
        narrowed(principal, asked)


@pytest.mark.parametrize("principal", [ADMIN, CLIENT, USER])
def test_the_name_of_everyone_is_no_client(principal: Principal) -> None:
    with pytest.raises(InvalidRequestError, match="leave it out for all clients"):
        narrowed(principal, Filters(client_id="*"))


def test_who_is_one_user_does_not_act_for_a_client() -> None:
    assert (own_client(ADMIN, None), own_client(ADMIN, "b"), own_client(CLIENT, None)) == (None, "b", "a")
    with pytest.raises(NotAllowedError):
        own_client(USER, "a")
    with pytest.raises(NotAllowedError):
        own_client(CLIENT, "b")


@pytest.mark.parametrize(
    ("principal", "fields", "header", "settled"),
    [
        (ADMIN, {"userId": "u", "clientId": "b"}, None, {"userId": "u", "clientId": "b"}),
        (ADMIN, {"userId": "u"}, None, {"userId": "u"}),
        (ADMIN, {}, "u", {"userId": "u"}),
        (CLIENT, {"userId": "u", "model": "m"}, None, {"userId": "u", "model": "m", "clientId": "a"}),
        (CLIENT, {"userId": "u", "clientId": "a"}, "u", {"userId": "u", "clientId": "a"}),
        (CLIENT, {"userId": None, "clientId": None}, "u", {"userId": "u", "clientId": "a"}),
        (CLIENT, {}, None, {"clientId": "a"}),
        (USER, {}, None, {"userId": "u1", "clientId": "a"}),
        (USER, {"userId": "u1"}, "u1", {"userId": "u1", "clientId": "a"}),
        # what is no name is for the call's own checks
        (ADMIN, {"userId": 5, "clientId": []}, None, {"userId": 5, "clientId": []}),
    ],
)
def test_calls_are_reported_for_whom_the_caller_speaks(
    principal: Principal, fields: dict[str, Any], header: str | None, settled: dict[str, Any]
) -> None:
    before = dict(fields)

    assert owned(principal, fields, header) == settled
    assert fields == before


@pytest.mark.parametrize(
    ("principal", "fields", "header", "field"),
    [
        (CLIENT, {"userId": "u", "clientId": "b"}, None, "clientId"),
        (CLIENT, {"userId": "u", "clientId": ["a"]}, None, "clientId"),
        (CLIENT, {"userId": "u", "clientId": ""}, None, "clientId"),
        (CLIENT, {"userId": "u", "client_id": "b"}, None, "client_id"),
        (USER, {"userId": "u2"}, None, "userId"),
        (USER, {"userId": ""}, None, "userId"),
        (USER, {"user_id": "u2"}, None, "user_id"),
        (USER, {}, "u2", "userId"),
        (USER, {"userId": "u1"}, "u2", "userId"),
        (USER, {"userId": "u1"}, "", "userId"),
        (ADMIN, {"userId": "u1"}, "u2", "userId"),
        (ADMIN, {"userId": 5}, "5", "userId"),
    ],
)
def test_naming_another_is_a_fault_of_that_field(
    principal: Principal, fields: dict[str, Any], header: str | None, field: str
) -> None:
    with pytest.raises(InvalidRequestError) as fault:
        owned(principal, fields, header)

    assert [error["field"] for error in fault.value.errors] == [field]
