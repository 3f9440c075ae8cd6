"""What a model of the stand-in says, and how many tokens it takes: a token is a word, whatever its length."""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from scripts.provider.answers import Asked, Json

TEXTS = (
    "instructions", "system", "systemInstruction", "messages", "contents", "content", "input", "prompt", "parts",
    "requests", "text", "output", "query", "documents",
)  # fmt: skip
"""Where a request has text for its model, in any API."""
SAID = "You said:"
WORD = "word "
NUMBER, FRACTION = 42, 1.5
_VERSION = re.compile(r"/v1(beta)?/")


def texts(value: Any) -> Iterator[str]:
    """All text of a request, in the order in which a model reads it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, dict):
        for name in TEXTS:
            if name in value:
                yield from texts(value[name])


def tokens(text: str) -> int:
    return len(text.split())


def input_tokens(fields: Json) -> int:
    """Words of a request; a picture, a sound or a file is one of none."""
    return sum(map(tokens, texts(fields)))


def said(fields: Json, most: int | None = None, words: int | None = None) -> tuple[str, bool]:
    """What a model answers, and whether it had more to say than `most` tokens; `words` has it say so many."""
    *_, last = ["", *texts(fields)]
    whole = (WORD * words).split() if words else [*SAID.split(), *last.split()]
    return " ".join(whole[:most]), most is not None and len(whole) > most


def pieces(text: str) -> list[str]:
    """The parts in which a stream says a text, one for each token; joined they are the text again."""
    first, *rest = text.split(" ")
    return [first, *(f" {word}" for word in rest)] if text else []


def ident(prefix: str, asked: Asked, length: int = 24) -> str:
    """An id that the same text always has, asked as a stream or not, of any version."""
    text = "\0".join([_VERSION.sub("/", asked.path), *texts(asked.fields)])
    return prefix + hashlib.sha256(text.encode(errors="replace")).hexdigest()[:length]


def instance(schema: Json, definitions: Json | None = None) -> Any:
    """A value that fits a JSON schema, or one of Gemini's."""
    known = {**(definitions or {}), **schema.get("$defs", {}), **schema.get("definitions", {})}
    if "$ref" in schema:
        return instance(known[schema["$ref"].rpartition("/")[2]], known)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return instance(schema[choice][0], known)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type", "object")
    kind = (kind[0] if isinstance(kind, list) else kind).lower()
    if kind == "object":
        return {name: instance(each, known) for name, each in schema.get("properties", {}).items()}
    if kind == "array":
        return [instance(schema.get("items", {"type": "string"}), known)]
    return {"string": "Paris", "integer": NUMBER, "number": FRACTION, "boolean": True}.get(kind)
