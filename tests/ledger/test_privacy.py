"""Who called is not stored, unless the settings say so, and then not exactly."""

import pytest

from app.database import Database
from app.ledger.privacy import Privacy, network_of
from app.observability.metrics import Counters
from app.settings import Settings
from app.tracking import AICall, open_tracker
from tests.twins import entries

CALL = {"user_id": "u", "content_type": "chat", "model": "gpt-4o"}
WHO = {"ip_address": "203.0.113.77", "user_agent": "Mozilla/5.0" + 300 * "x"}


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.77", "203.0.113.0"),
        (" 203.0.113.77 ", "203.0.113.0"),
        ("255.255.255.255", "255.255.255.0"),
        ("2001:db8:abcd:1234:5678:9abc:def0:1", "2001:db8:abcd::"),
        ("fe80::1%eth0", "fe80::"),
        ("::1", "::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("2002:cb00:714d::1", "203.0.113.0"),
        ("203.0.113", None),
        ("203.0.113.077", None),
        ("203.0.113.77:8080", None),
        ("203.0.113.77, 10.0.0.1", None),
        ("unknown", None),
        ("joe@example.com", None),
    ],
)
def test_of_an_address_only_the_network_is_kept_and_of_other_texts_nothing(text: str, network: str | None) -> None:
    assert network_of(text) == network


@pytest.mark.parametrize(
    ("address", "agent", "expected"),
    [
        (False, False, {}),
        (True, False, {"ipAddress": "203.0.113.0"}),
        (False, True, {"userAgent": WHO["user_agent"][:256]}),
        (True, True, {"ipAddress": "203.0.113.0", "userAgent": WHO["user_agent"][:256]}),
    ],
)
async def test_address_and_user_agent_are_stored_only_when_the_setting_says_so(
    settings: Settings, database: Database, address: bool, agent: bool, expected: dict[str, str]
) -> None:
    chosen = settings.model_copy(update={"store_ip_address": address, "store_user_agent": agent})
    async with open_tracker(chosen, database, Counters()) as tracker:
        assert (await tracker.track(**CALL, **WHO)).status == "committed"

    (entry,) = await entries(database)
    assert {name: entry[name] for name in ("ipAddress", "userAgent") if name in entry} == expected


def test_nothing_is_stored_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWINMETER_STORE_IP_ADDRESS", raising=False)
    settings = Settings(_env_file=None)
    assert (settings.store_ip_address, settings.store_user_agent) == (False, False)
    monkeypatch.setenv("TWINMETER_STORE_IP_ADDRESS", "true")
    assert Settings(_env_file=None).store_ip_address


def test_a_call_that_says_neither_is_handed_back_as_it_is() -> None:
    call = AICall.model_validate(CALL)

    assert Privacy(store_ip_address=True, store_user_agent=True).stripped(call) is call
