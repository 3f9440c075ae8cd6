"""LangChain and LangGraph: `model.invoke(..., config={"callbacks": [twinmeter.langchain]})` reports each call."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any, Callable
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from twinmeter.integrations.names import TOLD, provider_of
from twinmeter.observation import Observation, guarded
from twinmeter.wrapping.operations import CHAT, observe


class _Run:
    """A call under way."""

    def __init__(self, observation: Observation) -> None:
        self.observation = observation
        self.started = time.perf_counter()
        self.first_text: float | None = None
        self.characters = 0
        self.leave: Callable[[], object] | None = None
        """Take back that the end of the task is waited for."""

    def facts(self) -> dict[str, Any]:
        return {} if self.first_text is None else {"time_to_first_token": (self.first_text - self.started) * 1000}

    def estimate(self) -> dict[str, Any]:
        """How long the answer is, where nobody says how many tokens it has."""
        return {} if self.first_text is None else {"output_text": "x" * self.characters}


class Handler(BaseCallbackHandler):
    """One for all calls of the process, in any thread and event loop."""

    run_inline = True  # it takes microseconds; in a thread of its own it would see another order of events

    def __init__(self) -> None:
        self._runs: dict[UUID, _Run] = {}

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **told: Any) -> None:
        self._begin(run_id, told)

    def on_llm_start(self, serialized: Any, prompts: Any, *, run_id: UUID, **told: Any) -> None:
        self._begin(run_id, told)

    @guarded
    def _begin(self, run_id: UUID, told: dict[str, Any]) -> None:
        metadata = told.get("metadata") or {}
        fields = {name: metadata[name] for name in TOLD if metadata.get(name)}
        asked = told.get("invocation_params") or {}
        model = metadata.get("ls_model_name") or asked.get("model") or asked.get("model_name")
        observation = observe(CHAT, fields, model, provider=provider_of(metadata.get("ls_provider")))
        self._runs[run_id] = run = _Run(observation)
        self._watch(run_id, run)

    def _watch(self, run_id: UUID, run: _Run) -> None:
        """LangChain tells nobody of a call that is cancelled: it is over when its task is."""
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no loop runs here
            return
        if task is None:
            return

        def done(_: object) -> None:
            self.on_llm_error(asyncio.CancelledError(), run_id=run_id)

        task.add_done_callback(done)
        run.leave = partial(task.remove_done_callback, done)

    def _over(self, run_id: UUID) -> _Run | None:
        run = self._runs.pop(run_id, None)
        if run is not None and run.leave is not None:
            run.leave()
        return run

    @guarded
    def on_llm_new_token(self, token: Any, *, run_id: UUID, **told: Any) -> None:
        run = self._runs.get(run_id)
        if run is not None and isinstance(token, str) and token:
            run.first_text = run.first_text or time.perf_counter()
            run.characters += len(token)

    @guarded
    def on_llm_end(self, response: Any, *, run_id: UUID, **told: Any) -> None:
        run = self._over(run_id)
        if run is not None:
            _read(run, response)
            run.observation.over()

    @guarded
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **told: Any) -> None:
        run = self._over(run_id)
        if run is not None:
            _read(run, told.get("response"))
            run.observation.failed(error)


@guarded
def _read(run: _Run, response: Any) -> None:
    """What came of an answer: where it does not say how many tokens it has, how long it is."""
    answers = [answer for of_prompt in getattr(response, "generations", ()) for answer in of_prompt]
    message = getattr(answers[0], "message", None) if answers else None
    if getattr(message, "usage_metadata", None):
        run.observation.read(message, **run.facts())
    elif getattr(response, "llm_output", None):
        run.observation.read({"llm_output": response.llm_output}, **run.facts())
    else:
        run.observation.read(message or [], **run.facts(), **run.estimate())


langchain = Handler()
