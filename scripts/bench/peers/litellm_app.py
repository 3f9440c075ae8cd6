"""An application that calls models through LiteLLM, for the Python of the environment that has it:

    VENV/bin/python litellm_app.py ADDRESS KEY CALLS.json CALLBACK

Nothing is asked of a model: LiteLLM answers from `mock_response`, and its logging does all that it does for a real
answer. CALLBACK is `otel`, its own export of spans, or `none`. Prints the µs that each call took of its caller,
seconds of CPU, and when it began. Imports nothing of the project.
"""

import asyncio
import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

ADDRESS, KEY, _, CALLBACK = sys.argv[1:]
CALLS = Path(sys.argv[3]).read_text()
os.environ |= {
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_ENDPOINT": f"{ADDRESS}/v1/traces",
    "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer {KEY}",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}

litellm: Any = import_module("litellm")  # it reads the above
trace: Any = import_module("opentelemetry.trace")

SETTLE_SECONDS = 0.5
FLUSH_CALLS = 500
"""After which its exporter is flushed: its queue holds 2,048 spans, and what comes then is dropped."""
WARM_UP = 50
"""Calls that are reported, but not measured."""
PROVIDERS = {"google": "gemini"}
"""What it calls them."""


async def main() -> None:
    litellm.suppress_debug_info = True
    litellm.callbacks = [] if CALLBACK == "none" else [CALLBACK]
    times, started, began_at = [], time.process_time(), time.time()
    for number, call in enumerate(json.loads(CALLS), 1):
        began = time.perf_counter()
        await _call(call)
        times.append(1e6 * (time.perf_counter() - began))
        if number == WARM_UP:
            await _flush()
            times, started, began_at = [], time.process_time(), time.time()
        if number % FLUSH_CALLS == 0:
            await _flush()
    await _flush()
    cpu_s = time.process_time() - started
    sys.stdout.write(json.dumps({"times_us": times, "cpu_s": cpu_s, "began_at": began_at}))


async def _call(call: dict[str, Any]) -> None:
    prompt, completion = call["input_tokens"], call["output_tokens"]
    usage = litellm.Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}}
    await litellm.acompletion(
        f"{PROVIDERS.get(call['provider'], call['provider'])}/{call['model']}",
        [{"role": "user", "content": "x"}],
        user=call["user_id"],
        api_key="none",
        mock_response=litellm.ModelResponse(model=call["model"], choices=[choice], usage=usage),
    )


async def _flush() -> None:
    """Its callbacks run in tasks of their own; then spans wait for their exporter."""
    await asyncio.sleep(SETTLE_SECONDS)
    if (flush := getattr(trace.get_tracer_provider(), "force_flush", None)) is not None:
        await asyncio.to_thread(flush)


asyncio.run(main())
