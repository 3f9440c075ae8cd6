"""Who lists a model under a name, or has a pattern that fits it."""

from collections.abc import Collection

from genai_prices.types import ClauseEquals, ClauseOr, MatchLogic, ModelInfo, Provider


class Listings:
    """The sellers of a model by its lower-case name. Most names are plain words: an index saves 2,000 comparisons."""

    def __init__(self, providers: list[Provider]) -> None:
        self._listing: dict[str, dict[str, Provider]] = {}
        self._patterns: list[tuple[Provider, ModelInfo]] = []
        for provider in providers:
            for model in provider.models:
                names, has_pattern = _plain_names(model.match)
                if has_pattern:
                    self._patterns.append((provider, model))
                if model.is_match(model.id):
                    names.add(model.id.lower())
                for name in names:
                    self._listing.setdefault(name, {})[provider.id] = provider

    def listing(self, name: str) -> list[Provider]:
        """Providers that list `name`: as the id of a model, or else as another name of one. Resellers yield."""
        sellers = list(self._listing.get(name, {}).values())
        exact = [p for p in sellers if any(model.id.lower() == name for model in p.models)]
        return _without_resellers(exact or sellers, name)

    def matching(self, name: str, claimants: Collection[str]) -> list[Provider]:
        """Providers, among those who may, with a pattern that fits `name`. Resellers yield."""
        sellers = {p.id: p for p, model in self._patterns if p.id in claimants and model.match.is_match(name)}
        return _without_resellers(list(sellers.values()), name)


def _without_resellers(sellers: list[Provider], name: str) -> list[Provider]:
    """Azure sells OpenAI's models and OpenRouter everyone's, which it names `vendor/model`: they yield to the rest."""
    ids = {provider.id for provider in sellers}
    return [p for p in sellers if not _resells(p, name, ids - {p.id})]


def _resells(provider: Provider, name: str, others: set[str]) -> bool:
    if provider.id == "openrouter":
        return "/" not in name and bool(others)
    return not others.isdisjoint(provider.fallback_model_providers or ())


def _plain_names(match: MatchLogic) -> tuple[set[str], bool]:
    """The names that `match` spells out, in lower case, and whether it accepts others by a pattern."""
    if isinstance(match, ClauseEquals):
        return {match.equals.lower()}, False
    if not isinstance(match, ClauseOr):
        return set(), True
    inner = [_plain_names(clause) for clause in match.or_]
    return set().union(*(names for names, _ in inner)), any(has_pattern for _, has_pattern in inner)
