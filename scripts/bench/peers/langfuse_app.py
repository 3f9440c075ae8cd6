"""An application that reports calls with Langfuse's SDK, for the Python of the environment that has it:

    VENV/bin/python langfuse_app.py ADDRESS KEY CALLS.json FLUSH

After so many calls it flushes. Prints the µs that each call took of its caller, seconds of CPU, and when it began.
Imports nothing of the project.
"""

import json
import os
import sys
import time
from pathlib import Path

# where Langfuse's own server takes spans is another path
os.environ["LANGFUSE_OTEL_TRACES_EXPORT_PATH"] = "v1/traces"

from langfuse import Langfuse, propagate_attributes  # type: ignore[import-not-found]

WARM_UP = 50
"""Calls that are reported, but not measured."""


def main() -> None:
    address, key, calls, flush = sys.argv[1:]
    langfuse = Langfuse(
        public_key="pk-bench",
        secret_key="sk-bench",  # noqa: S106 - the header below is what counts
        base_url=address,
        additional_headers={"Authorization": f"Bearer {key}"},
    )
    times, started, began_at = [], time.process_time(), time.time()
    for number, call in enumerate(json.loads(Path(calls).read_text()), 1):
        began = time.perf_counter()
        with propagate_attributes(user_id=call["user_id"], session_id=call["conversation_id"]):
            usage = {"input": call["input_tokens"], "output": call["output_tokens"]}
            langfuse.start_observation(
                name=call["content_type"], as_type="generation", model=call["model"], usage_details=usage
            ).end()
        times.append(1e6 * (time.perf_counter() - began))
        if number == WARM_UP:
            times, started, began_at = [], time.process_time(), time.time()
        if number % int(flush) == 0:
            langfuse.flush()
    langfuse.shutdown()
    cpu_s = time.process_time() - started
    sys.stdout.write(json.dumps({"times_us": times, "cpu_s": cpu_s, "began_at": began_at}))


main()
