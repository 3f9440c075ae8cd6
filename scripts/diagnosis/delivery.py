"""The delivery of calls, as the running server itself sees it: what is wrong with it, and not over yet."""

from typing import Any

import httpx

from app.listening import http_address
from scripts.diagnosis import words
from scripts.diagnosis.finding import START, Check, Deployment, Finding, Group, ok, problem, unchecked

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what is bound to all is asked here
SECONDS = 5.0


async def server(deployment: Deployment) -> Finding:
    """What `/ready` of the server on this machine says; the others answer for themselves."""
    host, port = deployment.settings.host, deployment.settings.port
    if not port:
        return ok("not asked: it takes any free port")
    address = http_address(ANY_ADDRESS.get(host, host), port)
    try:
        async with httpx.AsyncClient(timeout=min(SECONDS, deployment.seconds), trust_env=False) as http:
            ready: dict[str, Any] = (await http.get(f"{address}/ready")).json()
            return standing_of(ready, address)
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return unchecked(f"no server answers at {address}", f"start one: {START}")


def standing_of(ready: dict[str, Any], address: str) -> Finding:
    """What an answer of `/ready` means."""
    troubles = ready["troubles"]
    if not troubles:
        status = f"the server at {address} is {ready['status']}"
        if ready["status"] == "ready":
            return ok(status)
        return problem(f"{status}: MongoDB {ready['database']}", "start MongoDB; the spool takes calls meanwhile")
    said = "; ".join(f"{trouble['code']}: {trouble['reason']}{_count(trouble['count'])}" for trouble in troubles)
    return problem(f"{words.counted(len(troubles), 'trouble')} at {address}: {said}", troubles[0]["advice"])


def _count(count: int | None) -> str:
    return "" if count is None else f" ({count:,})"


GROUP = Group("delivery", (Check("running server", server, local=True),))
