"""The seller of a call: the provider as recorded, and its price lists for the model."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

from app.pricing.aliases import Alias, Aliases
from app.pricing.lookups import LOOKUPS
from app.pricing.media_prices import MediaPrices, PricedMedia
from app.pricing.model_names import AWS, is_gov_cloud, spell, spellings, vendor_of
from app.pricing.seller_names import Kind, Said, SellerNames
from app.pricing.token_prices import PricedModel, TokenPrices
from models.unpriced import UnpricedCode

UNKNOWN_PROVIDER = "unknown"
_LITELLM = "litellm"
_NAMED = 5
"""Sellers that a reason names; it has to stay short."""
_GOV_CLOUD = UnpricedCode.PRICE_MISSING, "no price list has what AWS GovCloud asks"


class Seller(NamedTuple):
    """A provider and its prices for one model."""

    provider: str
    tokens: PricedModel | None
    media: PricedMedia | None
    reported_provider: str | None = None
    """What the caller said, where that provider cannot be right: it does not sell the model, another one does."""
    others: tuple[PricedModel, ...] = ()
    """Of a seller who is not known, all other lists that have the model: it has a price where they agree on it."""
    unpriced: tuple[UnpricedCode, str] | None = None
    """Why it has no list for the model, where there is more to say than that no list has it."""
    region: str | None = None
    """Where the model's own name, or an alias, says that it runs."""


class Sellers:
    """Resolves providers and models."""

    def __init__(
        self,
        token_prices: TokenPrices,
        media_prices: MediaPrices,
        aliases: Aliases | None = None,
        names: SellerNames | None = None,
    ) -> None:
        self._tokens = token_prices
        self._media = media_prices
        self._aliases = aliases or Aliases()
        self._names = names or SellerNames.packaged()
        self.token_version, self.media_version = token_prices.version, media_prices.version
        self.of = lru_cache(LOOKUPS)(self._of)

    @classmethod
    def installed(cls, aliases_file: Path | None = None, tokens: TokenPrices | None = None) -> Self:
        """By the lists of this installation, or other tokens'. Raises ConfigurationError for a file that is no use."""
        tokens, media = tokens or TokenPrices(), MediaPrices()
        return cls(
            tokens, media, Aliases(aliases_file, lambda name: tokens.knows_provider(name) or media.knows_provider(name))
        )

    def with_tokens(self, token_prices: TokenPrices) -> "Sellers":
        """The same by other token prices."""
        return Sellers(token_prices, self._media, self._aliases, self._names)

    def _of(self, model: str, provider: str | None) -> Seller:
        """The seller of `model`, given what the caller said of the provider.

        - An alias of the deployment stands for its provider and model, whoever is said to have answered.
        - A provider that has a price list sold the call. If it does not sell the model it is replaced by the one
          that does, and is kept as the reported one.
        - A framework or a gateway says nothing: the model's name tells, and its vendor first (`anthropic/claude-...`).
        - Somebody whom no price list has, and a machine of the caller's own, ask what no list says: unpriced.
        - Any other name proves nothing, and stays as the provider. The model has a price where it is *certain*: its
          name is of a form that one seller alone has (Bedrock's ids, Vertex AI's paths); or the list of the model's
          maker has exactly this name, and every other list that has it asks the same for this very call. Subscriptions
          do not count, and open models, which anybody may run, have no such maker. The same holds where nobody was
          named and no single list has the model.
        """
        if alias := self._aliases.find(model, provider):
            return self._aliased(alias, provider)
        said, named = self._said(provider), (provider or UNKNOWN_PROVIDER).lower()
        if said.kind is Kind.ELSEWHERE:
            return Seller(named, None, None)
        if is_gov_cloud(model.lower()):
            return Seller(AWS, None, None, unpriced=_GOV_CLOUD)
        if said.kind is Kind.SELLER:
            if own := self._at_seller(model, said.seller):
                return own
            other = self._unsaid(model)
            return other._replace(reported_provider=named) if other else self._without(model, said.seller.lower())
        if said.kind is Kind.SILENT:
            found = self._unsaid(model, by_vendor=provider is not None)
        else:
            proven = self._proven(model)
            found = proven._replace(provider=named) if proven else None
        return found or self._agreed(model, named)

    def _said(self, provider: str | None) -> Said:
        """What the caller's word for the provider says; `Kind.UNKNOWN` for a name that nobody knows."""
        if provider is None:
            return Said(Kind.SILENT)
        said = self._names.of(provider)
        if said is None or (said.kind is Kind.SELLER and not self._knows(said.seller)):
            return Said(Kind.SELLER, provider) if self._knows(provider) else Said(Kind.UNKNOWN)
        return said

    def _aliased(self, alias: Alias, provider: str | None) -> Seller:
        """Where the alias is one of a provider, that is kept: without it the alias would not be found again."""
        found = self._at_seller(alias.model, alias.provider) or Seller(alias.provider, None, None)
        reported = provider.lower() if provider and alias.of_provider and provider.lower() != found.provider else None
        return found._replace(region=alias.region or found.region, reported_provider=reported)

    def _at_seller(self, model: str, seller: str) -> Seller | None:
        """`model` at a seller who has a price list, under any name that this list may have for it."""
        name = model.strip().lower()
        vendor = vendor_of(name)
        region = spell(name).region
        names = [*spellings(name, seller)]
        if vendor and self._said(vendor[0]) == Said(Kind.SELLER, seller):
            names += spellings(vendor[1], seller)
            region = region or spell(vendor[1]).region
        found = next((found for name in dict.fromkeys(names) if (found := self._at(name, seller))), None)
        return found._replace(region=region) if found and region else found

    def _unsaid(self, model: str, *, by_vendor: bool = False) -> Seller | None:
        """The seller whom the model's name tells, if it is one: `by_vendor` looks at `vendor/model` first."""
        name = model.strip().lower()
        spelled, vendor = spell(name), vendor_of(name)
        if spelled.seller:
            return self._proven(model)
        if by_vendor and (found := self._at_vendor(name)):
            return found
        if vendor and self._names.of(vendor[0]) == Said(Kind.ELSEWHERE):
            return None
        return self._at(model, None) or self._at_vendor(name) or self._at(spelled.model, None)

    def _proven(self, model: str) -> Seller | None:
        """The seller who alone has names of this form, if the model is one of its."""
        seller = spell(model.strip().lower()).seller
        return self._at_seller(model, seller) if seller else None

    def _at_vendor(self, name: str) -> Seller | None:
        vendor = vendor_of(name)
        said = self._names.of(vendor[0]) if vendor else None
        if vendor is None or said is None:
            return self._at(name, _LITELLM) if "/" in name else None
        if said.kind is Kind.SILENT:
            return self._unsaid(vendor[1], by_vendor=True)
        return self._at_seller(name, said.seller) if said.kind is Kind.SELLER else None

    def _agreed(self, model: str, named: str) -> Seller:
        """A seller who is not known, with all lists that have the model, the maker's first."""
        maker = next((maker for name in self._plain(model) if (maker := self._names.maker_of(name))), None)
        lists = self._lists(model)
        first = next((each for each in lists if each.provider == maker), None)
        if first is not None:
            return Seller(named, first, None, others=tuple(each for each in lists if each is not first))
        media = next((found for name in self._plain(model) if (found := self._media.resolve(name, None))), None)
        return Seller(named, None, media) if media and not lists else self._without(model, named)

    def _without(self, model: str, named: str) -> Seller:
        """A seller without a price for the model; where others sell it, the reason names them."""
        lists = [each.provider for each in self._lists(model)]
        if not lists:
            return Seller(named, None, None)
        sold = f"{', '.join(lists[:_NAMED])}{' and others' if len(lists) > _NAMED else ''}"
        unknown = "nothing says by whom here" if named == UNKNOWN_PROVIDER else f"what {named} asks is not known"
        words = f"{model} is sold by {sold}; {unknown}"
        return Seller(named, None, None, unpriced=(UnpricedCode.SELLER_UNCERTAIN, words))

    def _lists(self, model: str) -> list[PricedModel]:
        """Every list that has exactly this model."""
        found = (each for name in self._plain(model) for each in self._tokens.sellers(name))
        return list({each.provider: each for each in found if each.provider not in self._names.products}.values())

    def _plain(self, model: str) -> list[str]:
        """The names of a model that say nothing of its seller: as reported, without a path, and without a vendor."""
        name = model.strip().lower()
        vendor = vendor_of(name)
        said = self._names.of(vendor[0]) if vendor else None
        if spell(name).seller or said == Said(Kind.ELSEWHERE):
            return []
        names = [name, spell(name).model, *([spell(vendor[1]).model] if vendor and said else [])]
        return list(dict.fromkeys(names))

    def _at(self, model: str, provider: str | None) -> Seller | None:
        tokens = self._tokens.resolve(model, provider)
        media = self._media.resolve(model, tokens.provider if tokens else provider)
        if tokens is not None and provider in {None, _LITELLM} and tokens.provider in self._names.products:
            tokens = None  # of a subscription, which nobody named
        seller = tokens or media
        return Seller(seller.provider, tokens, media) if seller else None

    def _knows(self, provider: str) -> bool:
        return self._tokens.knows_provider(provider) or self._media.knows_provider(provider)
