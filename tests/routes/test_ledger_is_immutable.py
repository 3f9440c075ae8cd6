"""What was recorded stays as it is: erasure is an operator's command, and nothing over HTTP changes an entry."""

from litestar import Litestar
from litestar.testing import AsyncTestClient

READING = {"GET", "HEAD", "OPTIONS"}
# the doors, and the prices and keys of administrators
ADDING = {"/api/ai/track", "/api/ai/track/batch", "/v1/traces"}
PRICES = {"/api/admin/prices", "/api/admin/prices/{override_id:str}/end"}
SESSION = {("POST", "/admin/session"), ("DELETE", "/admin/session")}
KEYS = {"/api/admin/keys", "/api/admin/keys/{key_id:str}/revoke"}


def test_no_route_updates_or_deletes_an_entry(empty: AsyncTestClient[Litestar]) -> None:
    routes = {(method, route.path) for route in empty.app.routes for method in getattr(route, "methods", ())}
    changing = {(method, path) for method, path in routes if method not in READING} - SESSION

    assert {method for method, _ in changing} == {"POST"}
    assert {path for _, path in changing} == ADDING | PRICES | KEYS
