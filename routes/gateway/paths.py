"""Which address of the gateway asks for what."""

import re
from typing import NamedTuple

from app.gateway.formats.base import Api, Operation
from app.gateway.neutral.bodies import Alias

GREETING = "/api/hello"
"""What Claude Code asks first, by HEAD: whether anybody is there."""


class Asked(NamedTuple):
    """An address of a provider's API."""

    api: Api
    operation: Operation | None
    """None of one that this gateway leaves out, and of models."""
    model: str | None = None
    """Where the address names it."""
    models: bool = False
    """Whether it is a list of models, or with `model` one of them."""
    is_greeting: bool = False
    alias: Alias | None = None
    """Of an address of our own, which is asked in a form of our own: what operation that is, its body says."""

    @property
    def is_left_out(self) -> bool:
        return self.operation is None and not self.models and not self.is_greeting

    @property
    def template(self) -> str:
        """Its name in logs, which holds no name of a model."""
        if self.alias is not None:
            return f"/v1/{self.alias}"
        if self.operation is not None:
            return f"/{self.operation}"
        return "/models" if self.models else GREETING if self.is_greeting else "/not_offered"


_ANTHROPIC = (Operation.MESSAGES, Operation.COUNT_TOKENS)
_GEMINI = {
    each.value: each
    for each in (
        Operation.GENERATE,
        Operation.STREAM_GENERATE,
        Operation.COUNT_CONTENT_TOKENS,
        Operation.EMBED_CONTENT,
        Operation.BATCH_EMBED_CONTENTS,
    )
}
_OPENAI = tuple(each for each in Operation if each not in {*_ANTHROPIC, *_GEMINI.values(), Operation.VIDEOS})
# the SDK of Groq has a prefix of its own
_PREFIXES = ("", "/v1", "/openai/v1")
_KNOWN = {
    f"{prefix}/{operation}": Asked(api, operation)
    for api, operations in ((Api.OPENAI, _OPENAI), (Api.ANTHROPIC, _ANTHROPIC))
    for operation in operations
    for prefix in _PREFIXES
}
_KNOWN |= {f"{prefix}/models": Asked(Api.OPENAI, None, models=True) for prefix in _PREFIXES}
_KNOWN |= {f"/v1/{alias}": Asked(Api.OPENAI, Operation.CHAT, alias=alias) for alias in Alias}
_KNOWN[GREETING] = Asked(Api.ANTHROPIC, None, is_greeting=True)
_KNOWN["/v1beta/models"] = Asked(Api.GEMINI, None, models=True)
_OF_A_MODEL = re.compile(
    r"(?P<prefix>|/v1|/v1beta|/openai/v1)/models/(?P<model>.{1,512}?)(?::(?P<verb>[A-Za-z]{1,40}))?"
)
_OURS = ("/v1/", "/v1beta/", "/openai/", "/responses/", "/chat/", "/messages/")
_APIS = (("/v1beta/", Api.GEMINI), ("/v1/messages/", Api.ANTHROPIC), ("/messages/", Api.ANTHROPIC))
"""Of what is left out, by where it is."""
OWN = frozenset({*_KNOWN, "/v1beta"})
"""Where no prefix of a proxy can be told from an address of ours."""
_OF_OTLP = frozenset({"/v1/traces", "/v1/metrics", "/v1/logs"})


def asked_of(path: str) -> Asked | None:
    """What an address asks for; None of one that is none of the gateway's."""
    if (known := _KNOWN.get(path)) is not None:
        return known
    if (found := _OF_A_MODEL.fullmatch(path)) is not None:
        return _of_a_model(found)
    if not path.startswith(_OURS) or path in _OF_OTLP:
        return None
    left_out = next((api for beginning, api in _APIS if path.startswith(beginning)), Api.OPENAI)
    return Asked(left_out, None)


def _of_a_model(found: re.Match[str]) -> Asked:
    model, verb = found["model"], found["verb"]
    if verb is None:
        return Asked(Api.GEMINI if found["prefix"] == "/v1beta" else Api.OPENAI, None, model, models=True)
    if (operation := _GEMINI.get(verb)) is not None:
        return Asked(Api.GEMINI, operation, model)
    if found["prefix"] == "/v1beta":
        return Asked(Api.GEMINI, None)
    # names of models may have a colon
    return Asked(Api.OPENAI, None, f"{model}:{verb}", models=True)
