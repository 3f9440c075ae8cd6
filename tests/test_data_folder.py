"""The data folder."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.data_folder import prepared
from app.errors import ConfigurationError
from app.kept_secret import kept_secret


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    assert mode(prepared(tmp_path / "new" / "data")) == 0o700


def test_a_folder_of_an_earlier_version_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "kept").touch()

    assert mode(prepared(tmp_path)) == 0o700
    assert (tmp_path / "kept").exists()


def test_a_folder_that_all_users_share_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)

    assert mode(prepared(tmp_path)) == 0o1777


def test_a_folder_of_another_user_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o770)
    monkeypatch.setattr("app.data_folder.os.geteuid", lambda: os.getuid() + 1)

    assert mode(prepared(tmp_path)) == 0o770


@pytest.mark.parametrize(
    ("flag", "why"), [(os.ST_RDONLY, "it is on a read-only file system"), (0, "this user may not write to it")]
)
def test_a_folder_that_cannot_be_written_is_said_with_the_reason_and_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: int, why: str
) -> None:
    monkeypatch.setattr("app.data_folder.os.access", lambda *_: False)
    monkeypatch.setattr("app.data_folder.os.statvfs", lambda _: SimpleNamespace(f_flag=flag))

    with pytest.raises(ConfigurationError) as refused:
        prepared(tmp_path)

    assert str(refused.value) == (
        f"The data folder {tmp_path} cannot be used: {why}. Set TWINMETER_DATA_DIR to a folder that can be written."
    )


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match=f"The data folder {tmp_path}/file/data cannot be used: .*file"):
        prepared(tmp_path / "file" / "data")


def test_an_empty_secret_as_a_power_cut_leaves_it_is_made_again_once(tmp_path: Path) -> None:
    (tmp_path / "jwt_secret").touch(0o600)

    with ThreadPoolExecutor(8) as at_once:
        found = set(at_once.map(kept_secret, [tmp_path / "jwt_secret"] * 8))

    assert {len(secret) for secret in found} == {64}
    assert len(found) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["jwt_secret"]
