"""The index of what models go by leaves out no provider who has the model, and finds out quickly that none has."""

import random
import time

from genai_prices.data import providers
from genai_prices.types import ClauseAnd, ClauseRegex, ClauseStartsWith, ModelInfo, ModelPrice, Provider

from app.pricing.name_index import NameIndex
from app.pricing.sellers import Sellers
from app.pricing.token_prices import TokenPrices
from tests.patience import patience


def test_no_provider_that_has_a_model_is_left_out() -> None:
    index, rng = NameIndex(providers), random.Random(1)
    ids = [model.id.lower() for provider in providers for model in provider.models]
    known = rng.sample(ids, 80)
    decorated = [form.format(rng.choice(ids)) for form in ("{}-20251211", "{}-latest", "us.{}-v1:0", "x/{}", "{}x")] * 8

    for name in [*known, *decorated, "gpt-5.2-20251211", "", "%"]:
        for provider in providers:
            if provider.find_model(name, all_providers=providers):
                assert index.may_have(provider, name), (provider.id, name)


def test_of_patterns_only_those_of_possible_providers_need_be_tried() -> None:
    index, rng, sellers = NameIndex(providers), random.Random(2), TokenPrices()._sellers
    everybody = {provider.id for provider in providers}
    ids = [model.id.lower() for provider in providers for model in provider.models]
    decorated = [
        form.format(rng.choice(ids)) for form in ("{}-20251211", "{}-latest", "us.{}-v1:0", "x/{}", "{}x")
    ] * 40

    found = {name: [p.id for p in sellers.matching(name, everybody)] for name in [*rng.sample(ids, 200), *decorated]}

    assert {name: [p.id for p in sellers.matching(name, index.claimants(name))] for name in found} == found
    assert sum(map(bool, found.values())) > 30


def test_a_model_that_must_meet_several_conditions_is_found_by_the_first() -> None:
    both = ClauseAnd(and_=[ClauseStartsWith(starts_with="m-"), ClauseRegex(regex="^(?!.*-tts)")])
    provider = Provider(id="p", name="P", api_pattern="p", models=[ModelInfo(id="m", match=both, prices=ModelPrice())])
    index = NameIndex([provider])

    assert [index.may_have(provider, name) for name in ("m-1", "n-1")] == [True, False]


def test_few_providers_are_asked_for_a_name_that_nobody_has() -> None:
    index = NameIndex(providers)

    assert [p.id for p in providers if index.may_have(p, "made-up-by-somebody")] == []


def test_names_that_nobody_has_are_looked_up_in_a_fraction_of_a_millisecond_each() -> None:
    sellers = Sellers.installed()
    sellers.of("first", "somebody")
    started = time.thread_time()

    for number in range(200):
        sellers.of(f"model-{number}", "somebody")

    assert time.thread_time() - started < patience(0.2)  # it was four milliseconds each
