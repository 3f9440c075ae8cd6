"""The settings of a server, as its administrator sees them."""

import json

from tests.conftest import SECRET
from tests.routes.administration.conftest import Admin


async def test_settings_are_told_with_their_source_and_without_secrets(admin: Admin) -> None:
    answer = await admin.get("/settings")
    found = {each["name"]: (each["value"], each["source"]) for each in answer["settings"]}

    assert found["TWINMETER_TIMEZONE"] == ("Europe/Berlin", "environment")
    assert found["TWINMETER_SESSION_HOURS"] == ("12", "default")
    assert found["TWINMETER_JWT_SECRET"] == ("set", "environment")
    assert found["TWINMETER_MONGODB_URI"][0] in {"set", None}
    assert SECRET not in json.dumps(answer)


async def test_one_clients_administrator_does_not_see_them(admin: Admin) -> None:
    assert await (await admin.of_client("settings-client")).get("/settings") == {"settings": []}
