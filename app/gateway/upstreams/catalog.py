"""Which upstreams answer for a model, by the file as it is: no health in it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from app.gateway.formats.base import Api, GatewayError
from app.gateway.upstreams.upstream import Target, Upstream
from models.globs import exactness, is_name, matches

_PATHS = {
    Api.OPENAI: "OpenAI's API, such as POST /v1/chat/completions",
    Api.ANTHROPIC: "Anthropic's API: POST /v1/messages",
    Api.GEMINI: "Gemini's API: POST /v1beta/models/{model}:generateContent",
}
_NO_NAMES = {"", ".", ".."}
"""In an address they would be something else."""
_SHOWN = 100
"""Characters of a name in a message."""


class ModelRow(NamedTuple):
    """A model that a key may use."""

    id: str
    owned_by: str
    api: Api
    created: int = 0
    """Unix seconds of the file that names it: providers' dates are not known here."""


class Catalog:
    """Of one state of the file. A name stands for, the first of these that is there:

    1. what `[models.NAME]` says,
    2. the upstream that lists exactly this name,
    3. with `upstream/model`, that upstream, if it serves the model,
    4. the upstream with the glob that says most of the name,
    5. where unknown models pass, the first upstream of the API.

    Of equals the first in the file. Only upstreams of the API that was asked are looked at.
    """

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        aliases: Mapping[str, tuple[Target, ...]] | None = None,
        *,
        passes_unknown: bool = False,
        created: int = 0,
        defaults: Mapping[str, str] | None = None,
    ) -> None:
        self.upstreams = {each.name: each for each in upstreams}
        self.aliases = dict(aliases or {})
        self.passes_unknown = passes_unknown
        self.defaults = dict(defaults or {})
        """By kind (`chat`, `image`, `video`), the model of a request in our own form that names none."""
        self._created = created
        self._by_name: dict[tuple[Api, str], Upstream] = {}
        self._by_glob: list[tuple[str, Upstream]] = []
        for upstream in upstreams:
            for glob in upstream.models:
                if is_name(glob):
                    self._by_name.setdefault((upstream.api, glob), upstream)
                else:
                    self._by_glob.append((glob, upstream))
        self._by_glob.sort(key=lambda each: -exactness(each[0]))  # stable: the file's order among equals

    def resolve(self, model: str, api: Api) -> tuple[Target, ...]:
        """Who answers for a model, the first to be asked first. Raises GatewayError: 404 `model_not_found`."""
        found = self._found(model, api) or (self._first_of(model, api) if self.passes_unknown else None)
        if found is None or found[0].model in _NO_NAMES:
            raise self._unknown(model, api)
        return found

    def row(self, model: str, api: Api | None = None) -> ModelRow | None:
        """A model by its name, of an API or of the first that has it; None where nobody serves it."""
        found = (targets for each in Api if api in {None, each} and (targets := self._found(model, each)))
        return next((self._row(model, targets[0]) for targets in found), None)

    def rows(self, allowed: Callable[[str], bool], api: Api | None = None) -> list[ModelRow]:
        """All models that the file names, of those allowed, and of one API where that is said. Globs name none."""
        named = {name: targets[0] for name, targets in self.aliases.items()}
        for (_, name), upstream in self._by_name.items():
            named.setdefault(name, Target(upstream, name))
        return [
            self._row(name, target)
            for name, target in named.items()
            if api in {None, target.upstream.api} and allowed(name)
        ]

    def shadowed(self) -> Iterator[tuple[str, Upstream, Upstream]]:
        """Names that a second upstream of the same API lists, with who is asked and who is not."""
        for upstream in self.upstreams.values():
            for name in upstream.models:
                first = self._by_name.get((upstream.api, name))
                if first is not None and first is not upstream:
                    yield name, first, upstream

    def _found(self, model: str, api: Api) -> tuple[Target, ...] | None:
        if (targets := self.aliases.get(model)) and targets[0].upstream.api is api:
            return targets
        if upstream := self._by_name.get((api, model)):
            return (Target(upstream, model),)
        name, slash, rest = model.partition("/")
        if slash and (upstream := self.upstreams.get(name)) and upstream.api is api and upstream.serves(rest):
            return (Target(upstream, rest),)
        for glob, upstream in self._by_glob:
            if upstream.api is api and matches(glob, model):
                return (Target(upstream, model),)
        return None

    def _first_of(self, model: str, api: Api) -> tuple[Target, ...] | None:
        first = next((each for each in self.upstreams.values() if each.api is api), None)
        return (Target(first, model),) if first else None

    def _row(self, name: str, target: Target) -> ModelRow:
        return ModelRow(name, target.upstream.provider, target.upstream.api, self._created)

    def _unknown(self, model: str, api: Api) -> GatewayError:
        shown = model if len(model) <= _SHOWN else f"{model[:_SHOWN]}…"
        others = [other for other in Api if other is not api and self._found(model, other)]
        if others:
            way_out = f"it is asked by {_PATHS[others[0]]}"
        elif not any(each.api is api for each in self.upstreams.values()):
            way_out = f"none of its upstreams speaks {_PATHS[api]}"
        else:
            way_out = "GET /v1/models has those that its file names"
        message = f"this gateway has no model {shown!r} here: {way_out}"
        return GatewayError(404, "model_not_found", message, param="model", should_retry=False)
