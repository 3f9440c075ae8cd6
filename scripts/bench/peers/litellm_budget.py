"""LiteLLM's budget of an end user for a model, as its proxy checks it, for the Python of the environment that has it:

    VENV/bin/python litellm_budget.py CALLS CALLERS COST AFFORDED

So many calls by so many callers at once, each of the same cost, of a budget for AFFORDED of them. The check reads the
spend in memory before the call; its success hook adds the cost after it: that is all it does where there is no Redis.
Between both, the model answers, which takes no time here but a turn of the event loop. Prints µs of the check and of
the addition, and how many calls passed. Imports nothing of the project.
"""

import asyncio
import json
import os
import sys
import time
from importlib import import_module
from statistics import median, quantiles
from typing import Any

CALLS, CALLERS = map(int, sys.argv[1:3])
COST, AFFORDED = float(sys.argv[3]), int(sys.argv[4])
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
MODEL, USER, DURATION = "gpt-4o", "user-1", "1d"

litellm: Any = import_module("litellm")  # it reads the above
limiter: Any = import_module("litellm.proxy.hooks.model_max_budget_limiter")
caching: Any = import_module("litellm.caching.caching")


async def main() -> None:
    budgets = limiter._PROXY_VirtualKeyModelMaxBudgetLimiter(caching.DualCache())  # noqa: SLF001 - it has no other name
    budget = {MODEL: {"budget_limit": COST * AFFORDED, "time_period": DURATION}}
    checks, additions, passed = list[float](), list[float](), 0
    numbers = iter(range(CALLS))

    async def caller() -> None:
        nonlocal passed
        for _ in numbers:
            began = time.perf_counter()
            try:
                await budgets.is_end_user_within_model_budget(USER, budget, MODEL)
            except litellm.BudgetExceededError:
                continue
            finally:
                checks.append(time.perf_counter() - began)
            passed += 1
            await asyncio.sleep(0)
            began = time.perf_counter()
            await budgets.async_log_success_event(_logged(budget), None, None, None)
            additions.append(time.perf_counter() - began)

    started = time.process_time()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    cpu = time.process_time() - started
    said = {"checks_us": _said(checks), "additions_us": _said(additions), "passed": passed, "cpu_us": 1e6 * cpu / CALLS}
    sys.stdout.write(json.dumps(said))


def _logged(budget: dict[str, Any]) -> dict[str, Any]:
    """What the proxy hands to the hook after a call, as far as that reads it."""
    metadata = {"user_api_key_end_user_model_max_budget": budget}
    payload = {"response_cost": COST, "model": MODEL, "end_user": USER, "metadata": {}}
    return {"standard_logging_object": payload, "litellm_params": {"metadata": metadata}}


def _said(times: list[float]) -> dict[str, float]:
    return {"p50": 1e6 * median(times), "p99": 1e6 * quantiles(times, n=100, method="inclusive")[98]}


asyncio.run(main())
