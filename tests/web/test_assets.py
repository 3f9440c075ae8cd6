"""The files of pages: their addresses, what is sent, and the bundle that is made once."""

import gzip
import json
import re
from pathlib import Path

import pytest

from app.errors import BundleUnavailableError, NotFoundError
from app.web import assets, bundle
from app.web.assets import Assets, takes_gzip
from app.web.bundle import VegaBundle


@pytest.fixture(autouse=True)
def _not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "INSTALLED", tmp_path / "installed")


@pytest.fixture
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files to serve, with charts and sheets."""
    folder, charts = tmp_path / "static", tmp_path / "charts"
    (folder / "parts").mkdir(parents=True)
    charts.mkdir()
    (folder / "app.js").write_text('import { a } from "./parts/a.js";\nconsole.log(a);\n')
    (folder / "notes.txt").write_text("not for the web")
    (charts / "cost.json").write_text('{"mark": "area"}')
    (charts / "bars.json").write_text('{"mark": "bar"}')
    (folder / "app.css").write_text("a { color: red }")
    (folder / "parts" / "more.css").write_text("a { color: blue }")
    monkeypatch.setattr(assets, "FOLDER", folder)
    monkeypatch.setattr(assets, "CHARTS_FOLDER", charts)
    monkeypatch.setattr(assets, "SHEETS", ("app.css", "parts/more.css"))
    (folder / "parts" / "b.js").write_text('import {\n  a,\n} from "./a.js";\nexport const b = a;\n')
    (folder / "parts" / "a.js").write_text("export const a = 1;\n")
    monkeypatch.setattr(assets, "PANEL", ("parts/a.js", "parts/b.js"))
    return folder


@pytest.mark.usefixtures("static")
async def test_every_file_of_the_folders_has_an_address_and_a_type(tmp_path: Path) -> None:
    found = Assets(tmp_path)

    for name, media_type in {
        "app.js": "text/javascript",
        "style.css": "text/css",
        "charts.json": "application/json",
    }.items():
        assert found.url(name) == f"/admin/static/{found.version}/{name}"
        asset = await found.find(found.version, name)
        assert (asset.media_type, gzip.decompress(asset.gzipped)) == (media_type, asset.content)
    assert b"console.log(a);" in (await found.find(found.version, "app.js")).content
    assert (await found.find(found.version, "style.css")).content == b"a { color: red }a { color: blue }"
    specs = json.loads((await found.find(found.version, "charts.json")).content)
    assert specs == {"bars": {"mark": "bar"}, "cost": {"mark": "area"}}


@pytest.mark.usefixtures("static")
async def test_the_panel_is_one_script_of_modules_that_know_only_earlier_ones(
    tmp_path: Path,
) -> None:
    script = (await Assets(tmp_path).embed()).content

    assert script == b'(() => {\n"use strict";\nconst a = 1;\n\nconst b = a;\n})();\n'


def test_the_modules_of_the_panel_share_no_name() -> None:
    named: list[str] = []
    for number, module in enumerate(assets.PANEL):
        text = (assets.FOLDER / module).read_text()
        imported = {
            f"panel/{name}.js" for name in re.findall(r'^\s*(?:import|\}).* from "\./(.*)\.js";', text, re.MULTILINE)
        }
        assert imported <= set(assets.PANEL[:number]), module
        named += re.findall(r"^(?:export )?(?:async )?(?:const|let|class|function) (\w+)", text, re.MULTILINE)
    assert len(named) == len(set(named)) > 30


async def test_the_version_changes_with_any_file_and_with_nothing_else(
    static: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Assets(tmp_path).version
    assert Assets(tmp_path / "elsewhere").version == before

    (static / "parts" / "a.js").write_text("// b")
    after = Assets(tmp_path).version
    monkeypatch.setattr(bundle, "version", lambda _: "99.0")

    assert len({before, after, Assets(tmp_path).version}) == 3
    with pytest.raises(NotFoundError):
        await Assets(tmp_path).find(before, "app.js")


@pytest.mark.parametrize("name", ["", ".", "notes.txt", "../static/app.js", "parts/../app.js", "/app.js", "app.css"])
@pytest.mark.usefixtures("static")
async def test_only_what_has_an_address_is_found(tmp_path: Path, name: str) -> None:
    found = Assets(tmp_path)

    with pytest.raises(NotFoundError):
        await found.find(found.version, name)
    with pytest.raises(KeyError):
        found.url(name)


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1.0, GZIP;q=0.8", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.00, br", False),
    ],
)
def test_gzip_is_for_those_who_take_it(accepted: str, *, taken: bool) -> None:
    assert takes_gzip(accepted) is taken


class Builder:
    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> bytes:
        self.times += 1
        return b"window.vegaEmbed = 1;"


async def test_the_bundle_is_made_once_for_a_data_folder(tmp_path: Path) -> None:
    builder = Builder()
    for _ in range(2):
        made = VegaBundle(tmp_path / "data", builder)
        assert gzip.decompress(await made.gzipped()) == gzip.decompress(await made.gzipped()) == await Builder()()

    assert builder.times == 1
    assert [file.name for file in (tmp_path / "data").iterdir()] == [f"vega-{made.version}.js.gz"]


@pytest.mark.parametrize("damage", [b"", b"no gzip", gzip.compress(b"window")[:-9]], ids=["empty", "other", "cut off"])
async def test_a_bundle_that_was_damaged_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    builder = Builder()
    await VegaBundle(tmp_path, builder).gzipped()
    file = tmp_path / f"vega-{VegaBundle(tmp_path).version}.js.gz"
    file.write_bytes(damage)

    assert gzip.decompress(await VegaBundle(tmp_path, builder).gzipped()).startswith(b"window.vegaEmbed")
    assert builder.times == 2
    assert file.read_bytes() != damage


async def test_where_the_bundle_cannot_be_kept_it_is_served_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")

    assert gzip.decompress(await VegaBundle(tmp_path / "data", Builder()).gzipped()).startswith(b"window.vegaEmbed")


@pytest.mark.parametrize(
    ("script", "seconds", "said"),
    [("raise SystemExit(3)", 60.0, "the server's log"), ("import time; time.sleep(60)", 0.05, "not made within")],
)
async def test_a_bundle_that_cannot_be_made_is_an_error_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, script: str, seconds: float, said: str
) -> None:
    monkeypatch.setattr(bundle, "BUILD", script)
    monkeypatch.setattr(bundle, "BUILD_SECONDS", seconds)

    with pytest.raises(BundleUnavailableError, match=said):
        await bundle.built()


async def test_the_real_bundle_sets_what_pages_use() -> None:
    script = await bundle.built()

    assert b"window.vegaEmbed=" in script
    assert len(script) > 500_000


async def test_the_bundle_of_the_installation_is_taken_before_another_is_made(tmp_path: Path) -> None:
    await VegaBundle(tmp_path / "installed", Builder()).gzipped()
    unused = Builder()

    assert gzip.decompress(await VegaBundle(tmp_path / "data", unused).gzipped()).startswith(b"window.vegaEmbed")
    assert (unused.times, (tmp_path / "data").exists()) == (0, False)
