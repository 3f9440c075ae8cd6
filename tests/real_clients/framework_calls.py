"""An application of LangChain, pydantic-ai and LiteLLM: their configuration is a base URL and a key.

It does what it is asked by lines of JSON, and answers each with one. A process of its own, because their clients stay
open until it ends.
"""

import asyncio
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from tests.real_clients.gateway import Site, plain

Call = Callable[[Site], Any]

GPT, CLAUDE = "gpt-4o", "claude-opus-4-6"
TEXT = "one two three"
MESSAGES: Any = [{"role": "user", "content": TEXT}]


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    days: int


def weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


def by_langchain(method: str, **more: Any) -> Call:
    def call(site: Site) -> Any:
        from langchain_openai import ChatOpenAI  # noqa: PLC0415 - heavy

        model = ChatOpenAI(model=GPT, base_url=site.v1, api_key=site.key, max_retries=0, **more)
        return _said(getattr(model, method)(TEXT))

    return call


def claude_by_langchain(method: str) -> Call:
    def call(site: Site) -> Any:
        from langchain_anthropic import ChatAnthropic  # noqa: PLC0415 - heavy

        model: Any = ChatAnthropic
        return _said(getattr(model(model=CLAUDE, base_url=site.base, api_key=site.key, max_retries=0), method)(TEXT))

    return call


def structured_by_langchain(site: Site) -> Any:
    from langchain_openai import ChatOpenAI  # noqa: PLC0415 - heavy

    model: Any = ChatOpenAI
    return model(model=GPT, base_url=site.v1, api_key=site.key).with_structured_output(Weather).invoke(TEXT)


def tools_by_langchain(site: Site) -> Any:
    from langchain_openai import ChatOpenAI  # noqa: PLC0415 - heavy

    model: Any = ChatOpenAI
    return model(model=GPT, base_url=site.v1, api_key=site.key).bind_tools([weather]).invoke(TEXT).tool_calls


def embeddings_by_langchain(site: Site) -> Any:
    from langchain_openai import OpenAIEmbeddings  # noqa: PLC0415 - heavy

    model: Any = OpenAIEmbeddings
    # else it counts tokens by itself, with a table that it fetches
    settings = {"base_url": site.v1, "api_key": site.key, "check_embedding_ctx_length": False}
    return model(model="text-embedding-3-small", **settings).embed_documents(["one two", "three"])


def _said(answer: Any) -> Any:
    """What was said and used; its id is new each time."""
    return [(each.content, each.usage_metadata) for each in ([answer] if hasattr(answer, "content") else answer)]


def by_pydantic_ai(site: Site, *, responses: bool = False, **options: Any) -> Any:
    from openai import AsyncOpenAI  # noqa: PLC0415 - heavy
    from pydantic_ai import Agent  # noqa: PLC0415 - heavy
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel  # noqa: PLC0415 - heavy
    from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415 - heavy

    async def asked() -> Any:
        async with AsyncOpenAI(base_url=site.v1, api_key=site.key) as client:
            provider = OpenAIProvider(openai_client=client)
            model = (OpenAIResponsesModel if responses else OpenAIChatModel)(GPT, provider=provider)
            agent: Any = Agent(model, **options)
            answer = await agent.run(TEXT)
            async with agent.run_stream(TEXT) as stream:
                streamed = await stream.get_output()
            return [answer.output, answer.usage, streamed, stream.usage]

    return asyncio.run(asked())


def by_litellm(method: str, **fields: Any) -> Call:
    def call(site: Site) -> Any:
        litellm = _litellm()
        asked: dict[str, Any] = {"api_base": site.v1, "api_key": site.key, "max_retries": 0, **fields}
        answer = getattr(litellm, method)(**asked)
        # what it says of a stream has the time at which it was read
        return (
            [each.model_dump(exclude={"created"}) for each in answer] if fields.get("stream") else answer.model_dump()
        )

    return call


def claude_by_litellm(site: Site) -> Any:
    asked: dict[str, Any] = {"model": f"anthropic/{CLAUDE}", "messages": MESSAGES, "max_retries": 0}
    answer = _litellm().completion(**asked, api_base=site.base, api_key=site.key)
    return [answer.choices[0].message.content, answer.usage.prompt_tokens, answer.usage.completion_tokens]


def _litellm() -> Any:
    import litellm  # noqa: PLC0415 - it takes two seconds

    return litellm


CALLS: Mapping[str, Call] = {
    "LangChain, chat": by_langchain("invoke"),
    "LangChain, stream": by_langchain("stream"),
    "LangChain, stream with usage": by_langchain("stream", stream_usage=True),
    "LangChain, responses": by_langchain("invoke", use_responses_api=True),
    "LangChain, structured output": structured_by_langchain,
    "LangChain, tools": tools_by_langchain,
    "LangChain, embeddings": embeddings_by_langchain,
    "LangChain, message": claude_by_langchain("invoke"),
    "LangChain, message in a stream": claude_by_langchain("stream"),
    "pydantic-ai": by_pydantic_ai,
    "pydantic-ai, responses": lambda site: by_pydantic_ai(site, responses=True),
    "pydantic-ai, structured output": lambda site: by_pydantic_ai(site, output_type=Weather),
    "pydantic-ai, tools": lambda site: by_pydantic_ai(site, tools=[weather]),
    "LiteLLM, chat": by_litellm("completion", model=f"openai/{GPT}", messages=MESSAGES),
    "LiteLLM, stream": by_litellm("completion", model=f"openai/{GPT}", messages=MESSAGES, stream=True),
    "LiteLLM, structured output": by_litellm(
        "completion", model=f"openai/{GPT}", messages=MESSAGES, response_format=Weather
    ),
    "LiteLLM, responses": by_litellm("responses", model=f"openai/{GPT}", input=TEXT),
    "LiteLLM, embeddings": by_litellm("embedding", model="openai/text-embedding-3-small", input=["one two", "three"]),
    "LiteLLM, message": claude_by_litellm,
}


def main() -> None:
    """Ask as `{"name", "base", "key"}` for a call, as `{"lines", "environ"}` for lines of Python."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # they print, too
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"gave": _done(asked)}
        except Exception:  # noqa: BLE001 - the test says what it was
            answer = {"failed": traceback.format_exc()}
        answers.write(f"{json.dumps(answer, default=str)}\n")
        answers.flush()


def _done(asked: Any) -> Any:
    if "name" in asked:
        return plain(CALLS[asked["name"]](Site(asked["base"], asked["key"])))
    os.environ.update(asked["environ"])
    exec(compile(asked["lines"], "the page", "exec"), {})
    return None


if __name__ == "__main__":
    main()
