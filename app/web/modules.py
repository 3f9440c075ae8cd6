"""The dashboard's modules as one: a browser asks once for all of them, and contributors have no build step.

Each module becomes a function that runs when it is first imported, as the browser's own loader would. Their form is
that of the code style: imports come first, by relative addresses, and each export says its name where it is declared.
"""

import json
import posixpath
import re
from collections.abc import Mapping
from graphlib import TopologicalSorter

_BETWEEN = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_IMPORT = re.compile(r'import (?:\* as (?P<all>\w+)|\{(?P<names>[^}]*)\}) from "(?P<path>\.{1,2}/[^"]+)";')
_EXPORT = re.compile(r"^export (?P<kind>(?:async )?function|class|const) (?P<name>\w+)", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)
_UNKNOWN = re.compile(r"""^(?:import\b[^(;]*["']\.{1,2}/|export (?:let|var|\*|\{))""", re.MULTILINE)
_LOADER = """\
const $made = new Map(), $ready = new Map(), $base = new URL(".", import.meta.url).href;
const $url = (name) => new URL(name, $base).href;
const $load = (name) => {
  if (!$ready.has(name)) $ready.set(name, $made.get(name)());
  return $ready.get(name);
};
const $import = async (path, from) => {
  const url = new URL(path, $url(from)).href, name = url.slice($base.length);
  return url.startsWith($base) && $made.has(name) ? $load(name) : import(url);
};
"""


def one_module(files: Mapping[str, bytes], entry: str) -> bytes:
    """All of `files`, by their paths, as one module that begins with the one called `entry`.

    Raises ValueError for a module in a form that is not known, that imports what is not there, or that imports itself
    by others: such ones would find names without values.
    """
    imports: dict[str, set[str]] = {}
    made = [_LOADER]
    for name, content in files.items():
        body, imports[name] = _as_function(name, content.decode())
        if missing := imports[name] - files.keys():
            raise ValueError(f"{name} imports {min(missing)}, which is not there")
        made.append(f"$made.set({json.dumps(name)}, () => {{\n{body}}});\n")
    tuple(TopologicalSorter(imports).static_order())  # CycleError is a ValueError
    made.append(f"$load({json.dumps(entry)});\n")
    return "".join(made).encode()


def _as_function(name: str, code: str) -> tuple[str, set[str]]:
    """The body of a function that returns what a module exports, and the names of the modules it imports."""
    head, at, imports = [], 0, set()
    while True:
        between = _BETWEEN.match(code, at)
        found = _IMPORT.match(code, between.end() if between else at)
        if found is None:
            break
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), found["path"]))
        imports.add(path)
        wanted = found["all"] or f"{{{found['names'].replace(' as ', ': ')}}}"
        head.append(f"const {wanted} = $load({json.dumps(path)});\n")
        at = found.end()
    body = code[at:]
    if unknown := _UNKNOWN.search(body):
        raise ValueError(f"{name}: what begins with {unknown[0]!r} is not known here; see app/web/modules.py")
    exported = [found["name"] for found in _EXPORT.finditer(body)]
    body = _EXPORT.sub(r"\g<kind> \g<name>", body)
    if _DEFAULT.search(body):
        body = _DEFAULT.sub("const $default = ", body)
        exported.append("default: $default")
    place = json.dumps(name)
    body = re.sub(r"\bimport\(([^()]*(?:\([^()]*\))?)\)", rf"$import(\1, {place})", body)
    body = body.replace("import.meta.url", f"$url({place})")
    return f"{''.join(head)}{body.strip()}\nreturn {{ {', '.join(exported)} }};\n", imports
