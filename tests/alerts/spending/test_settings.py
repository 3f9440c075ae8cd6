"""What operators set of spending alerts."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from app.alerts.spending.telling import Place
from app.settings import Settings


def test_messages_link_to_the_pages_where_they_are_known_to_be() -> None:
    settings = Settings(_env_file=None, public_url="https://shop.example/twinmeter/")
    lines = Place(settings.public_url).lines("calls", clientId="a&b", model=None)
    assert lines == ["Look: https://shop.example/twinmeter/admin/calls?clientId=a%26b"]
    assert Place(None).lines("calls", clientId="a") == []


@pytest.mark.parametrize(
    "url", ["twinmeter.example", "javascript:alert(1)", "https://", "https://a b/", "https://u@h/"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="must be an address such as"):
        Settings(_env_file=None, public_url=url)


@pytest.mark.parametrize("floor", ["-1", "NaN", "Infinity", "1000001", "0.0000001"])
def test_a_floor_that_is_none_is_refused(floor: Any) -> None:
    with pytest.raises(ValidationError):
        Settings(_env_file=None, spending_alerts_floor_usd=floor)


def test_spending_is_watched_unless_it_is_switched_off() -> None:
    usual = Settings(_env_file=None)
    assert (usual.spending_alerts, usual.spending_alerts_floor_usd) == (True, Decimal(10))
