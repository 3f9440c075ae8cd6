"""The version is said once, and every release that the changelog names is recorded."""

import re
from pathlib import Path

from app import __version__
from app.http.openapi import config
from tests.releases.dump import RELEASES

ROOT = Path(__file__).parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
HEADINGS = re.findall(r"^## \[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2}))?$", CHANGELOG, re.MULTILINE)


def test_every_release_of_the_changelog_has_its_date_and_what_it_left_behind() -> None:
    unreleased, *released = HEADINGS

    assert unreleased == ("Unreleased", "")
    assert all(date for _, date in released)
    assert {version for version, _ in released} == {place.name for place in RELEASES.iterdir()}


def test_this_is_the_newest_release_or_on_the_way_to_the_next() -> None:
    newest = HEADINGS[1][0]
    released, _, on_the_way = __version__.partition(".dev")

    assert released == newest if not on_the_way else _numbers(released) > _numbers(newest)


def test_the_description_of_the_api_and_the_package_say_this_version() -> None:
    assert config().version == __version__
    assert 'version = { attr = "app.__version__" }' in (ROOT / "pyproject.toml").read_text()


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]
