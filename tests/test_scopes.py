"""What tests of a folder share ends with them: a server that lives on would meddle in the tests of other folders."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SHARING = [path for path in TESTS.rglob("*.py") if 'scope="package"' in path.read_text() and path != Path(__file__)]


@pytest.mark.parametrize("path", SHARING, ids=lambda path: str(path.relative_to(TESTS)))
def test_what_a_folder_shares_is_in_a_package(path: Path) -> None:
    assert (path.parent / "__init__.py").exists(), "pytest would end it with the whole run"
