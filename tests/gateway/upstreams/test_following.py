"""The file is followed as it changes; one that cannot be used changes nothing, and is told until it is mended."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from app.errors import ConfigurationError
from app.gateway.formats.base import Api
from app.gateway.upstreams.building import Surroundings
from app.gateway.upstreams.key import Key
from app.gateway.upstreams.upstreams import Upstreams, open_upstreams
from app.observability.metrics import Counters
from app.observability.troubles import Code, Troubles
from app.process import background
from app.settings import Settings
from tests.gateway.upstreams.around import AROUND
from tests.patience import until

QUICK = 0.005
FILE = "[upstreams.openai]\nkey_file = 'key'\nmodels = ['gpt-4o']\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text("sk-one")
    path = tmp_path / "gateway.toml"
    path.write_text(FILE)
    return path


@pytest.fixture
def troubles() -> Troubles:
    return Troubles(CollectorRegistry())


@asynccontextmanager
async def followed(path: Path, troubles: Troubles) -> AsyncIterator[Upstreams]:
    upstreams = Upstreams(path, lambda: AROUND)
    async with background(upstreams.follow(troubles, QUICK), "follow"):
        yield upstreams


def replace(path: Path, text: str) -> None:
    """At once, as editors and deployments do."""
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.rename(path)


def remove(path: Path) -> None:
    path.unlink()


def named(upstreams: Upstreams) -> list[str]:
    return [row.id for row in upstreams.models(lambda _: True)]


async def test_a_change_is_in_use_without_a_restart(path: Path, troubles: Troubles) -> None:
    async with followed(path, troubles) as upstreams:
        assert named(upstreams) == ["gpt-4o"]
        replace(path, FILE + "[models.fast]\nto = 'openai/gpt-4o'")
        await until(lambda: named(upstreams) == ["fast", "gpt-4o"])

        assert [str(each) for each in upstreams.targets("fast", Api.OPENAI)] == ["openai/gpt-4o"]
        assert troubles.current == []


async def test_a_new_key_in_its_file_is_in_use_and_its_upstream_begins_anew(path: Path, troubles: Troubles) -> None:
    async with followed(path, troubles) as upstreams:
        old = upstreams.catalog.upstreams["openai"]
        upstreams.health.ended(old, outcome="credential", seconds=0.1)
        replace(path.with_name("key"), "sk-two")
        await until(lambda: upstreams.catalog.upstreams["openai"].key == Key("sk-two"))

        assert upstreams.health.state(upstreams.catalog.upstreams["openai"]) == "ok"
        assert old.key == Key("sk-one")  # of who is asking with it just now


async def test_a_file_that_is_mounted_is_followed_to_where_its_link_leads(tmp_path: Path, troubles: Troubles) -> None:
    """As Kubernetes changes a ConfigMap: the files stay links, and what they lead through is exchanged."""
    for name, text in {"old": FILE, "new": FILE.replace("gpt-4o", "gpt-5")}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "gateway.toml").write_text(text)
        (tmp_path / name / "key").write_text("sk-one")
    (tmp_path / "data").symlink_to("old")
    (tmp_path / "gateway.toml").symlink_to("data/gateway.toml")
    (tmp_path / "key").symlink_to("data/key")

    async with followed(tmp_path / "gateway.toml", troubles) as upstreams:
        assert named(upstreams) == ["gpt-4o"]
        (tmp_path / "draft").symlink_to("new")
        (tmp_path / "draft").rename(tmp_path / "data")
        await until(lambda: named(upstreams) == ["gpt-5"])


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        ("[upstreams.openai", "the file"),
        ("[upstreams.openai]\nkey_env = 'GONE'", "line 2, key_env"),
        ("[upstreams.openai]\nkey_file = 'gone'", "line 2, key_file"),
        ("[upstreams.mine]\nformat = 'openai'\nbase_url = 'http://localhost:8000'", "line 3, base_url"),
    ],
)
async def test_a_broken_file_leaves_the_one_before_and_is_told_until_it_is_mended(
    path: Path, troubles: Troubles, broken: str, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with followed(path, troubles) as upstreams:
        replace(path, broken)
        await until(lambda: bool(troubles.current))
        (trouble,) = troubles.current
        assert (trouble.code, trouble.reason) == (Code.GATEWAY, f"the gateway's file cannot be used: {where}")
        assert named(upstreams) == ["gpt-4o"]
        assert upstreams.fault is not None
        assert "sk-one" not in capsys.readouterr().out + str(upstreams.fault)

        replace(path, FILE)
        await until(lambda: not troubles.current)
        assert upstreams.fault is None


async def test_a_file_that_is_gone_and_a_key_that_comes_later_are_told_and_mended(
    path: Path, troubles: Troubles
) -> None:
    async with followed(path, troubles) as upstreams:
        remove(path)
        await until(lambda: bool(troubles.current))
        replace(path, FILE.replace("'key'", "'later'"))
        await until(lambda: troubles.current[0].reason.endswith("line 2, key_file"))
        path.with_name("later").write_text("sk-later")
        await until(lambda: not troubles.current)

        assert upstreams.catalog.upstreams["openai"].key == Key("sk-later")


async def test_a_fault_of_ours_does_not_end_the_following(
    path: Path, troubles: Troubles, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with followed(path, troubles) as upstreams:
        with monkeypatch.context() as broken:
            broken.setattr(upstreams, "_around", lambda: 1 / 0)
            replace(path, FILE.replace("gpt-4o", "gpt-5"))
            await until(lambda: bool(troubles.current))
            assert named(upstreams) == ["gpt-4o"]

        await until(lambda: not troubles.current)
        assert named(upstreams) == ["gpt-5"]


async def test_a_file_that_stays_is_read_once(path: Path, troubles: Troubles, monkeypatch: pytest.MonkeyPatch) -> None:
    async with followed(path, troubles) as upstreams:
        looks: list[bool] = []
        look = upstreams.look

        def looked() -> bool:
            looks.append(look())
            return looks[-1]

        monkeypatch.setattr(upstreams, "look", looked)
        await until(lambda: len(looks) > 3)

    assert not any(looks)


async def test_a_file_that_cannot_be_used_ends_the_start(tmp_path: Path, troubles: Troubles) -> None:
    (tmp_path / "gateway.toml").write_text("[upstreams.mine]")
    settings = Settings(_env_file=None, gateway_file=tmp_path / "gateway.toml", data_dir=tmp_path)

    with pytest.raises(ConfigurationError, match=r"line 1, \[upstreams.mine\], base_url is missing"):
        async with open_upstreams(settings, troubles, Counters()):
            pass


def test_keys_are_in_the_environment_or_in_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GROQ_API_KEY", "gsk-of-the-process")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    Path(".env").write_text("OPENAI_API_KEY=sk-of-the-file\nGROQ_API_KEY=gsk-of-the-file\nEMPTY\n")

    around = Surroundings.of(Settings(port=8_123, host="10.0.0.1", data_dir=tmp_path))

    assert around.environment["OPENAI_API_KEY"] == "sk-of-the-file"
    assert around.environment["GROQ_API_KEY"] == "gsk-of-the-process"
    assert (around.host, around.port) == ("10.0.0.1", 8_123)
    assert "OPENAI_API_KEY" not in os.environ


async def test_what_is_asked_meanwhile_is_answered_by_one_state_of_the_file(path: Path, troubles: Troubles) -> None:
    async with followed(path, troubles) as upstreams:
        catalog = upstreams.catalog
        replace(path, FILE.replace("gpt-4o", "gpt-5"))
        await until(lambda: upstreams.catalog is not catalog)
        await asyncio.sleep(0)

        assert [str(each) for each in catalog.resolve("gpt-4o", Api.OPENAI)] == ["openai/gpt-4o"]
