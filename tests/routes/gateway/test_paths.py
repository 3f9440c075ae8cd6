"""Which address asks for what."""

import pytest

from app.errors import ConfigurationError
from app.gateway.formats.base import Api, Operation
from app.main import create_app
from app.settings import Settings
from routes.gateway.paths import asked_of


@pytest.mark.parametrize("prefix", ["", "/v1", "/openai/v1"])
def test_each_operation_has_its_address_with_and_without_a_version(prefix: str) -> None:
    for path, api, operation in [
        ("/chat/completions", Api.OPENAI, Operation.CHAT),
        ("/audio/transcriptions", Api.OPENAI, Operation.TRANSCRIPTIONS),
        ("/messages", Api.ANTHROPIC, Operation.MESSAGES),
        ("/messages/count_tokens", Api.ANTHROPIC, Operation.COUNT_TOKENS),
    ]:
        asked = asked_of(prefix + path)
        assert asked is not None
        assert (asked.api, asked.operation, asked.is_left_out) == (api, operation, False)


@pytest.mark.parametrize(
    ("path", "api", "operation", "model"),
    [
        ("/v1beta/models/gemini-2.5-flash:generateContent", Api.GEMINI, Operation.GENERATE, "gemini-2.5-flash"),
        (
            "/v1/models/gemini-2.5-flash:streamGenerateContent",
            Api.GEMINI,
            Operation.STREAM_GENERATE,
            "gemini-2.5-flash",
        ),
        ("/v1/models/eu/a/b:countTokens", Api.GEMINI, Operation.COUNT_CONTENT_TOKENS, "eu/a/b"),
        ("/v1/models/ft:gpt-4o:org", Api.OPENAI, None, "ft:gpt-4o:org"),
        ("/v1/models/qwen3:8b", Api.OPENAI, None, "qwen3:8b"),
        ("/v1beta/models/gemini-2.5-flash", Api.GEMINI, None, "gemini-2.5-flash"),
    ],
)
def test_a_model_may_be_in_the_address(path: str, api: Api, operation: Operation | None, model: str) -> None:
    asked = asked_of(path)

    assert asked is not None
    assert (asked.api, asked.operation, asked.model, asked.models) == (api, operation, model, operation is None)


@pytest.mark.parametrize(
    "path", ["/v1/files", "/v1/realtime", "/v1/responses/resp_1", "/v1beta/cachedContents", "/openai/x"]
)
def test_what_is_left_out_is_known_to_be(path: str) -> None:
    asked = asked_of(path)

    assert asked is not None
    assert asked.is_left_out


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/v1/files", Api.OPENAI),
        ("/v1/messages/batches", Api.ANTHROPIC),
        ("/messages/batches", Api.ANTHROPIC),
        ("/v1beta/files", Api.GEMINI),
    ],
)
def test_what_is_left_out_is_refused_in_the_shape_of_its_api(path: str, api: Api) -> None:
    asked = asked_of(path)

    assert asked is not None
    assert (asked.api, asked.is_left_out) == (api, True)


@pytest.mark.parametrize(
    "path", ["/", "/api/ai/track", "/v1/traces", "/metrics", "/admin/users", "/v2/chat/completions"]
)
def test_everything_else_is_not_the_gateways(path: str) -> None:
    assert asked_of(path) is None


def test_a_prefix_of_a_proxy_cannot_be_an_address_of_the_gateway(settings: Settings, mongodb_uri: str) -> None:
    with pytest.raises(ConfigurationError, match="address of the application itself"):
        create_app(
            settings.model_copy(update={"root_path": "/openai", "gateway_file": settings.data_dir / "g.toml"}),
            mongodb_uri,
        )
