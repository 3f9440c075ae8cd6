"""The dashboard's modules as one file: what a browser's own loader would have made of them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from app.web.assets import APART, FOLDER
from app.web.modules import one_module
from app.web.pages import VIEWS

FILES = {
    "app.js": """// Starts.

import { a as first, Kind } from "./parts/a.js";
import * as b from "./b.js";

/** @import { X } from "./types.js" */

const view = "index";
const { default: shown } = await0(import(`./places/${view}.js`));
function await0(promise) {
  return { default: promise };
}
shown.then(({ default: { title } }) => console.log(JSON.stringify([first, b.twice(first), new Kind().of, title])));
""",
    "parts/a.js": """import { twice } from "../b.js";

export const a = twice(1);
export class Kind {
  of = new URL("x.json", import.meta.url).href.split("/").slice(-2).join("/");
}
const SNIPPET = `
import OpenAI from "openai";
export KEY=...
`;
""",
    "b.js": "export function twice(x) {\n  return 2 * x;\n}\nexport async function never() {}\n",
    "places/index.js": 'import { a } from "../parts/a.js";\n\nexport default {\n  title: `t${a}`,\n};\n',
}
NODE = shutil.which("node")


def encoded(files: dict[str, str]) -> dict[str, bytes]:
    return {name: text.encode() for name, text in files.items()}


@pytest.mark.skipif(NODE is None, reason="no node")
def test_modules_in_one_file_find_each_other_and_their_own_addresses(tmp_path: Path) -> None:
    assert NODE is not None
    (tmp_path / "all.mjs").write_bytes(one_module(encoded(FILES), "app.js"))

    said = subprocess.run([NODE, tmp_path / "all.mjs"], capture_output=True, text=True, check=True).stdout

    assert json.loads(said) == [2, 4, "parts/x.json", "t2"]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ('import { x } from "./nowhere.js";\n', "a.js imports nowhere.js, which is not there"),
        ('import "./b.js";\n', "a.js: what begins with 'import \"./' is not known"),
        ("export let x = 1;\n", "a.js: what begins with 'export let' is not known"),
        ('import { b } from "./b.js";\n', "cycle"),
    ],
)
def test_a_form_that_would_not_work_is_told_when_the_server_starts(code: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        one_module(encoded({"a.js": code, "b.js": 'import { a } from "./a.js";\n'}), "a.js")


def test_every_view_has_a_module() -> None:
    names = {file.relative_to(FOLDER).as_posix() for file in FOLDER.rglob("*.js")}
    modules = {name for name in names if not APART.fullmatch(name)}

    for views in VIEWS.values():
        first, *others = views
        assert {f"places/{first.slug}.js", f"places/{first.slug}/index.js"} & modules, first
        assert {f"places/{view.slug}.js" for view in others} <= modules
