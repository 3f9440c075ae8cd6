"""What the gateway has done, counted for all processes of the server. No label holds a name that a caller makes up."""

from prometheus_client import Counter, Histogram

from app.gateway.account import Ending
from app.gateway.formats.base import Api
from app.observability.metrics import Counters
from models import CallStatus

CALLS = "twinmeter_gateway_calls"
REFUSALS = "twinmeter_gateway_refusals"
FALLBACKS = "twinmeter_gateway_fallbacks"
KEEP_ALIVES = "twinmeter_gateway_keep_alives"
DRAINED = "twinmeter_gateway_drained_calls"
ADDED = "twinmeter_gateway_added_seconds"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_OURS = frozenset(
    {
        *("upstream_unreachable", "upstream_timeout", "upstream_cut", "upstream_too_large", "upstream_protocol"),
        *("client_gone", "server_stopping", "key_revoked", "no_stream", "unexpected_content", "internal_error"),
    }
)
_BROKEN_OFF = frozenset({"client_gone", "key_revoked", "server_stopping"})


class GatewayCounters:
    """Of one process."""

    def __init__(self, counters: Counters) -> None:
        registry = counters.registry
        self._calls = Counter(
            CALLS,
            "Calls of models through the gateway, by API and how they ended: success, cached, error, rate_limited and "
            "timeout as a provider answered, or why there was no whole answer",
            ["api", "ending"],
            registry=registry,
        )
        self._refusals = Counter(
            REFUSALS, "Requests that no upstream was asked for, by API and code", ["api", "code"], registry=registry
        )
        self._fallbacks = Counter(FALLBACKS, "Attempts at an upstream after another one failed", registry=registry)
        self._keep_alives = Counter(
            KEEP_ALIVES, "Signs of life sent to clients of streams that were silent", registry=registry
        )
        self._drained = Counter(
            DRAINED, "Calls whose clients had left, and whose answers were read to their end", registry=registry
        )
        self._added = Histogram(
            ADDED,
            "What the gateway itself took of a call: from its body to the first attempt, and from the end of the "
            "upstream's answer, through the commit, to the last byte",
            buckets=SECONDS,
            registry=registry,
        )

    def ended(self, api: Api, ending: Ending, attempts: int, added: float | None) -> None:
        """A call ended, of so many attempts; `added` are the gateway's own seconds, where they are known."""
        self._calls.labels(api, _kind_of(ending)).inc()
        if attempts > 1:
            self._fallbacks.inc(attempts - 1)
        if added is not None:
            self._added.observe(added)

    def kept_up(self, keep_alives: int, ending: Ending, *, client_left: bool) -> None:
        """What was done for a call while its client got nothing."""
        if keep_alives:
            self._keep_alives.inc(keep_alives)
        if client_left and ending.reason not in _BROKEN_OFF:
            self._drained.inc()

    def refused(self, api: Api, code: str) -> None:
        """A request was answered with an error of ours."""
        self._refusals.labels(api, code).inc()


def _kind_of(ending: Ending) -> str:
    if ending.status is CallStatus.SUCCESS:
        return "cached" if ending.reported.get("cached") else "success"
    return ending.reason if ending.reason in _OURS else ending.status.value
