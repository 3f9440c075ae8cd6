"""Which answer a request gets."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from urllib.parse import unquote

from scripts.provider import anthropic, chat, gemini, media, responses
from scripts.provider.answers import Answer, Api, Asked
from scripts.provider.faults import Faults, error, faulty, parsed, refused, split_model
from scripts.provider.texts import ident, texts

Make = Callable[[Asked, str, Faults], Answer]

FLAVOURS = ("groq", "mistral", "deepseek", "openrouter")
FAULT_HEADER = "x-provider-fault"
WRONG_KEYS = ("sk-wrong", "twm_")
"""How keys begin that nobody has here; those of twinmeter never get this far."""

_OPENAI: dict[str, Make] = {
    "chat/completions": chat.completion,
    "responses": responses.response,
    "embeddings": chat.embeddings,
    "images/generations": media.image,
    "images/edits": media.image,
    "audio/transcriptions": media.transcription,
    "audio/translations": media.transcription,
    "audio/speech": media.speech,
    "videos": media.video,
}
_ANTHROPIC: dict[str, Make] = {"messages/count_tokens": anthropic.count, "messages": anthropic.message}
_GEMINI: dict[str, Make] = {
    "generateContent": gemini.generate,
    "streamGenerateContent": gemini.stream,
    "countTokens": gemini.count,
    "embedContent": gemini.embed,
    "batchEmbedContents": gemini.embed_all,
}
_ACTION = re.compile(r"/models/([^/:]+):(\w+)$")
_DEPLOYMENT = re.compile(r"/deployments/([^/]+)/")
_KEYS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")


@lru_cache(512)
def answered(asked: Asked, fault: str = "") -> Answer:
    """The answer to a request; `fault` is one that was asked for from outside."""
    try:
        return _answered(asked, parsed(f"{asked.headers.get(FAULT_HEADER, '')}--{fault}"))
    except Exception as failed:  # noqa: BLE001  a server answers whatever it was sent
        return error(_api(asked), 400, f"{type(failed).__name__}: {failed}")


def asked_for(method: str, path: str, query: str, headers: Sequence[tuple[str, str]], body: bytes) -> Asked:
    """A request without what does not matter to its answer."""
    flavour = next((each for each in FLAVOURS if path.startswith(f"/{each}/")), "")
    heard = tuple((name, value) for name, value in headers if name in _HEARD)
    path = path.removeprefix(f"/{flavour}") if flavour else path
    return Asked(method, path, query, heard, body, flavour)


_HEARD = frozenset({*_KEYS, "content-type", FAULT_HEADER, "anthropic-version"})


def _answered(asked: Asked, faults: Faults) -> Answer:
    api = _api(asked)
    if not _has_key(asked):
        return _as_api(api, asked, error(api, 401, "Incorrect API key provided", "invalid_api_key"))
    if asked.method == "GET" and "/models" in asked.path:
        found = (gemini if api is Api.GEMINI else media).models(asked)
        return _as_api(api, asked, refused(api, faults) or faulty(api, found, faults))
    make, model = _operation(asked)
    if make is None:
        return error(api, 404, f"Unknown request URL: {asked.method} {asked.path}", "unknown_url")
    if not model:
        return error(api, 400, "you must provide a model parameter")
    model, own = split_model(model)
    faults = {**own, **faults}
    if "no_stream" in faults:
        asked = replace(
            asked,
            body=asked.body.replace(b'"stream":true', b'"stream":false').replace(b'"stream": true', b'"stream":false'),
        )
    if refusal := _echo(api, asked, faults) or refused(api, faults):
        return _as_api(api, asked, refusal)
    return _as_api(api, asked, faulty(api, make(asked, model, faults), faults))


def _echo(api: Api, asked: Asked, faults: Faults) -> Answer | None:
    return error(api, int(faults["echo"] or 400), " ".join(texts(asked.fields))) if "echo" in faults else None


def _api(asked: Asked) -> Api:
    if asked.path.startswith("/v1beta/") or _ACTION.search(asked.path) or "x-goog-api-key" in asked.headers:
        return Api.GEMINI
    claude = "/messages" in asked.path or "anthropic-version" in asked.headers
    return Api.ANTHROPIC if claude else Api.OPENAI


def _has_key(asked: Asked) -> bool:
    given = [asked.headers[name].removeprefix("Bearer ") for name in _KEYS if name in asked.headers]
    given += [asked.parameters["key"]] if "key" in asked.parameters else []
    return bool(given) and not any(key.startswith(WRONG_KEYS) for key in given)


def _operation(asked: Asked) -> tuple[Make | None, str]:
    """What to do, and the name of the model as it was asked for."""
    if asked.method != "POST":
        return None, ""
    if action := _ACTION.search(asked.path):
        return _GEMINI.get(action[2]), unquote(action[1])
    make = next((make for end, make in {**_OPENAI, **_ANTHROPIC}.items() if asked.path.endswith(f"/{end}")), None)
    deployment = _DEPLOYMENT.search(asked.path)
    return make, str(asked.fields.get("model") or (unquote(deployment[1]) if deployment else ""))


def _as_api(api: Api, asked: Asked, found: Answer) -> Answer:
    """With the headers that the API sends, and some that are nobody's but the connection's."""
    headers = {
        Api.OPENAI: (
            ("x-request-id", ident("req_", asked)),
            ("openai-organization", "org-stand-in"),
            ("openai-processing-ms", "42"),
            ("openai-version", "2020-10-01"),
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("set-cookie", "__cf_bm=stand-in; path=/; HttpOnly"),
            ("server", "cloudflare"),
        ),
        Api.ANTHROPIC: (
            ("request-id", ident("req_", asked)),
            ("anthropic-organization-id", "org-stand-in"),
            ("anthropic-ratelimit-requests-remaining", "3999"),
            ("set-cookie", "__cf_bm=stand-in; path=/; HttpOnly"),
            ("server", "cloudflare"),
        ),
        Api.GEMINI: (("server", "scaffolding on HTTPServer2"), ("x-content-type-options", "nosniff")),
    }[api]
    return replace(found, headers=(*headers, *found.headers))
