"""Which upstreams answer for a model: the most specific word of the file goes first."""

from pathlib import Path

import pytest

from app.gateway.formats.base import Api, GatewayError
from app.gateway.upstreams.catalog import Catalog
from tests.gateway.upstreams.around import catalog_of

FILE = """
[upstreams.openai]
models = ["gpt-4o", "gpt-*", "o1"]
[upstreams.groq]
models = ["gpt-4o*", "gpt-4o", "*"]
[upstreams.openrouter]
models = ["openai/o1", "anthropic/claude-*"]
[upstreams.anthropic]
models = ["claude-*", "claude-opus[1m]"]
[models.fast]
to = "groq/llama-3.1-8b-instant"
fallbacks = ["openai/gpt-4o-mini", "steady"]
[models.steady]
to = "openai/gpt-4o-mini"
fallbacks = ["openrouter/openai/gpt-4o"]
[models.o1]
to = "openrouter/openai/o1"
"""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return catalog_of(FILE, tmp_path_factory.mktemp("catalog"))


@pytest.mark.parametrize(
    ("model", "targets"),
    [
        ("gpt-4o", ["openai/gpt-4o"]),  # the first that lists it by name
        ("gpt-4o-mini", ["groq/gpt-4o-mini"]),  # the glob that says more
        ("gpt-5", ["openai/gpt-5"]),
        ("llama", ["groq/llama"]),
        ("fast", ["groq/llama-3.1-8b-instant", "openai/gpt-4o-mini", "openrouter/openai/gpt-4o"]),
        ("o1", ["openrouter/openai/o1"]),  # an alias goes before a name that is listed
        ("openai/gpt-4o", ["openai/gpt-4o"]),
        ("openai/o1", ["openrouter/openai/o1"]),  # a name that is listed goes before `upstream/model`
        ("groq/openai/gpt-oss", ["groq/openai/gpt-oss"]),
        ("anthropic/claude-x", ["openrouter/anthropic/claude-x"]),
        ("openai/llama", ["groq/openai/llama"]),  # openai does not serve it, and "*" is anything
    ],
)
def test_a_name_stands_for_targets(catalog: Catalog, model: str, targets: list[str]) -> None:
    assert [str(target) for target in catalog.resolve(model, Api.OPENAI)] == targets


@pytest.mark.parametrize(
    ("model", "target"),
    [
        ("claude-x", "anthropic/claude-x"),
        ("anthropic/claude-x", "anthropic/claude-x"),
        ("claude-opus[1m]", "anthropic/claude-opus[1m]"),
    ],
)
def test_only_upstreams_of_the_api_are_asked(catalog: Catalog, model: str, target: str) -> None:
    assert [str(each) for each in catalog.resolve(model, Api.ANTHROPIC)] == [target]


@pytest.mark.parametrize(
    ("model", "api", "way_out"),
    [
        ("gpt-4o", Api.ANTHROPIC, "it is asked by OpenAI's API, such as POST /v1/chat/completions"),
        ("mystery", Api.ANTHROPIC, "it is asked by OpenAI's API"),
        ("mystery", Api.GEMINI, "it is asked by OpenAI's API"),
    ],
)
def test_a_model_of_another_api_says_by_which(catalog: Catalog, model: str, api: Api, way_out: str) -> None:
    with pytest.raises(GatewayError) as caught:
        catalog.resolve(model, api)

    error = caught.value
    assert (error.status, error.code, error.param, error.should_retry) == (404, "model_not_found", "model", False)
    assert error.message.startswith(f"this gateway has no model '{model}' here: {way_out}")


def test_an_unknown_model_is_refused_or_passes_to_the_first_upstream(tmp_path: Path) -> None:
    text = "[upstreams.groq]\nmodels = ['llama']\n[upstreams.openai]\nmodels = ['gpt-4o']\n"
    refusing, passing = catalog_of(text, tmp_path), catalog_of(f"unknown_models = 'pass'\n{text}", tmp_path)

    with pytest.raises(GatewayError, match="this gateway has no model 'new' here: GET /v1/models has"):
        refusing.resolve("new", Api.OPENAI)
    with pytest.raises(GatewayError, match="none of its upstreams speaks Anthropic's API"):
        passing.resolve("new", Api.ANTHROPIC)
    assert [str(each) for each in passing.resolve("new", Api.OPENAI)] == ["groq/new"]
    # a list is not evaded by naming the upstream
    with pytest.raises(GatewayError):
        refusing.resolve("openai/o1-pro", Api.OPENAI)


@pytest.mark.parametrize("model", ["", "/", "x" * 100_000, "a\0b", "openai/", "../x", "*"])
def test_no_name_breaks_anything(model: str, tmp_path: Path) -> None:
    catalog = catalog_of("[upstreams.openai]\nmodels = ['gpt-4o']", tmp_path)

    with pytest.raises(GatewayError) as caught:
        catalog.resolve(model, Api.OPENAI)

    assert len(caught.value.message) < 250


AZURE = "[upstreams.azure]\nbase_url = 'https://x.openai.azure.com/openai/deployments/{model}'\n"


@pytest.mark.parametrize(
    ("text", "model"),
    [
        *((AZURE, model) for model in ("", ".", "..", "azure/..", "azure/")),
        *((f"unknown_models = 'pass'\n{AZURE}models = ['x']", model) for model in ("", ".", "..")),
    ],
)
def test_a_name_that_would_be_another_address_is_nobodys(text: str, model: str, tmp_path: Path) -> None:
    with pytest.raises(GatewayError):
        catalog_of(text, tmp_path).resolve(model, Api.OPENAI)


def test_rows_are_what_the_file_names_and_the_key_may_use(catalog: Catalog) -> None:
    rows = catalog.rows(lambda name: name != "steady")

    assert [(row.id, row.owned_by, row.api.value) for row in rows] == [
        ("fast", "groq", "openai"),
        ("o1", "openrouter", "openai"),
        ("gpt-4o", "openai", "openai"),
        ("openai/o1", "openrouter", "openai"),
        ("claude-opus[1m]", "anthropic", "anthropic"),
    ]
    assert [row.id for row in catalog.rows(lambda _: True, Api.ANTHROPIC)] == ["claude-opus[1m]"]
    assert (row := catalog.row("claude-sonnet", Api.ANTHROPIC)) is not None
    assert (row.id, row.owned_by) == ("claude-sonnet", "anthropic")
    assert catalog.row("gpt-4o", Api.GEMINI) is None


def test_an_alias_may_have_ten_targets_and_no_more(tmp_path: Path) -> None:
    def file(targets: int) -> str:
        names = ", ".join(f"'openai/m{number}'" for number in range(1, targets))
        return f"[upstreams.openai]\n[models.a]\nto = 'openai/m0'\nfallbacks = [{names}]\n[models.b]\nto = 'a'\n"

    assert len(catalog_of(file(10), tmp_path).resolve("b", Api.OPENAI)) == 10
    with pytest.raises(Exception, match="leads to more than 10 targets with those before it"):
        catalog_of(file(10) + "fallbacks = ['openai/m10']", tmp_path)


def test_names_of_names_are_followed_once_each_and_not_for_ever(tmp_path: Path) -> None:
    # 9 ** 9 ways lead from the first to the last
    tables = [f"[models.a{n}]\nto = 'a{n + 1}'\nfallbacks = {[f'a{n + 1}'] * 9}" for n in range(9)]
    text = "\n".join(["[upstreams.openai]", *tables, "[models.a9]\nto = 'openai/x'"])

    assert [str(each) for each in catalog_of(text, tmp_path).resolve("a0", Api.OPENAI)] == ["openai/x"]
    with pytest.raises(Exception, match="goes on through more than 10 names"):
        catalog_of("\n".join([*(f"[models.a{n}]\nto = 'a{n + 1}'" for n in range(12)), "[upstreams.openai]"]), tmp_path)
