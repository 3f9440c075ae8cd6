"""What a change stream's events mean, and for whom."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson.timestamp import Timestamp

from app.live.changes import Change, News, is_version, version_of

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
MOMENT = Timestamp(1_777_636_800, 7)
VERSION = "69f495c000000007"


def committed(*parts: tuple[str, bool]) -> Change:
    of = [{"client": client, "synthetic": synthetic} for client, synthetic in parts]
    return Change.of({"clusterTime": MOMENT, "at": AT, "parts": of})


@pytest.mark.parametrize(
    ("client", "kinds"),
    [(None, (True, True)), ("acme", (True, False)), ("demo", (False, True)), ("both", (True, True)), ("other", None)],
)
def test_a_page_is_told_of_the_calls_that_it_shows(client: str | None, kinds: tuple[bool, bool] | None) -> None:
    change = committed(("acme", False), ("demo", True), ("both", False), ("both", True))

    assert change.about(client) == (None if kinds is None else News(VERSION, AT, *kinds))


@pytest.mark.parametrize("event", [{"parts": None}, {"parts": None, "at": None}])
def test_cells_made_anew_concern_every_page(event: dict[str, Any]) -> None:
    change = Change.of({"clusterTime": MOMENT, **event})

    assert change.about("acme") == change.about(None) == News(VERSION, AT, real=True, synthetic=True)


def test_later_commits_have_greater_versions() -> None:
    moments = [Timestamp(9, 1), Timestamp(9, 16), Timestamp(10, 1), Timestamp(255, 255), Timestamp(2**32 - 1, 1)]
    versions = [version_of(moment) for moment in moments]

    assert versions == sorted(versions)
    assert all(is_version(version) for version in versions)


@pytest.mark.parametrize("text", ["", "1", VERSION.upper().replace("6", "F"), f"{VERSION}0", "\u0661" * 16])
def test_what_is_no_version_is_told_apart(text: str) -> None:
    assert not is_version(text)


def test_what_is_told_together_is_the_newest_version_and_every_kind() -> None:
    first, last = News("a", AT, real=True, synthetic=False), News("b", AT, real=False, synthetic=True)

    assert first.followed_by(last) == News("b", AT, real=True, synthetic=True)
