"""One call from the first upstream that is asked to the last byte that its client gets."""

import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from app.gateway.account import Account, Ending
from app.gateway.attempts import EVENTS, FAILED, Attempts, Opened, content_type
from app.gateway.cache.caching import Caching
from app.gateway.cache.stored import StoredAnswer, StoredReading
from app.gateway.formats.base import Api, GatewayError, Headers, Reading, Wanted
from app.gateway.formats.errors import gateway_error
from app.gateway.formats.readings import UNEXPECTED as UNEXPECTED_CONTENT
from app.gateway.headers import returned
from app.gateway.requests import Incoming, as_asked
from app.gateway.streams import Client, ClientGoneError, relay
from app.gateway.transport import UpstreamAnswer, UpstreamError
from app.gateway.upstreams.upstreams import Target
from app.tracking.receipt import TrackReceipt
from models import CallStatus
from models.money import plain

JSON = "application/json"
_STATUSES = {408: CallStatus.TIMEOUT, 429: CallStatus.RATE_LIMITED, 504: CallStatus.TIMEOUT}
STOPPING = GatewayError(503, "server_stopping", "the gateway is being stopped; send this again", retry_after=1)
UNEXPECTED = GatewayError(502, "unexpected_answer", "the upstream's answer is of no kind that its API has")
NO_STREAM = GatewayError(
    502, "no_stream", "the upstream does not stream: it has sent its answer whole", should_retry=False
)
REVOKED = GatewayError(401, "key_revoked", "the API key has been revoked", should_retry=False)
INCOMPLETE = GatewayError(502, "upstream_cut", "the upstream's answer ended before it was complete")
UNBUFFERED = (b"x-accel-buffering", b"no")
"""nginx gathers an answer before it sends it on, unless that says otherwise."""
FAULT = GatewayError(500, "internal_error", "the gateway has failed; its log says why")


class Passage:
    """Of one call."""

    def __init__(
        self,
        incoming: Incoming,
        wanted: tuple[Wanted, Wanted],
        client: Client,
        account: Account,
        attempts: Attempts,
        *,
        caching: Caching,
    ) -> None:
        """`wanted`: with the body that it was read from, and without."""
        self.account = account
        self._incoming = incoming
        self._asking: Wanted | None = wanted[0]
        """For as long as an upstream may be sent the body."""
        self._wanted = wanted[1]
        self._kind = ""
        """The media type of the upstream's answer."""
        self._is_stream_of_events = False
        self._client = client
        self._attempts = attempts
        self._caching = caching
        self._opened: Opened | None = None
        self._was_asked = False
        """Whether an upstream may have got it."""
        self._reading: Reading | None = None
        self._headers: Headers = []
        self._held: bytes | None = None
        """The end of a whole answer: it is sent once the call is recorded."""
        self._error: GatewayError | None = None
        """What the client is told instead of the end of an answer."""
        self._revoked = False

    async def run(self, targets: Sequence[Target], hop: str) -> Ending:
        """Ask, and send on all but the end. Returns how it ended; raises nothing but faults of ours."""
        try:
            await self._client.unless_gone(self._begin(targets, hop))
            if self._held is None:
                await self._relay()
            return self._ended()
        except UpstreamError as error:
            return self._failed(error)
        except ClientGoneError:
            return self._left()
        finally:
            if self._opened is not None:
                self._opened.answer.close()
            self._caching.close()

    async def _begin(self, targets: Sequence[Target], hop: str) -> None:
        """Ask, until something may be sent on, or all that there is is held back."""
        self._opened = await self._open(targets, hop)
        self._asking = None
        self._incoming.forget_body()
        answer = self._opened.answer
        self._wanted = as_asked(self._wanted, self._opened.target.upstream)
        self._headers = returned(answer.headers)
        self._kind = content_type(answer.headers)
        self._is_stream_of_events = self._kind.startswith(EVENTS)
        reading = self._reading = self._reading_of(answer.status, self._kind)
        if answer.status < FAILED and (self._is_stream_of_events or self._is_a_list):
            await self._send_start(answer.status)
        else:
            await self._read_until_something_passes(answer, reading)

    async def _open(self, targets: Sequence[Target], hop: str) -> Opened:
        if (stored := await self._caching.look(targets[0])) is not None:
            return Opened(targets[0], StoredAnswer(stored))
        assert self._asking is not None  # noqa: S101 - it runs once
        self._was_asked = True
        return await self._attempts.first(self._incoming, self._asking, targets, self.account, hop)

    @property
    def key_id(self) -> str | None:
        """The key that it is called with."""
        return self._incoming.caller.key_id

    def revoke(self) -> None:
        """The key of the call holds no longer: break it off, if it has not come to its end."""
        self._revoked = True
        self._client.give_up()

    def stopped(self) -> Ending:
        """The server does not wait for it any longer."""
        self._error = STOPPING
        return Ending(CallStatus.ERROR, STOPPING.code, self._reported())

    async def finish(self, ending: Ending, receipt: TrackReceipt | None) -> None:
        """Send what is left: the end, or that there is none."""
        self._incoming.recorded(ending, receipt)
        client, error = self._client, self._error
        if self._held is None and error is None:
            error = FAULT  # `run` did not come to its own end
        if client.gone.is_set():
            await client.cut()
        elif error is None:
            await self._finish_whole(ending, receipt)
        elif client.begun:
            event = self._incoming.form.stream_error(error, self.request_id, self._wanted.operation)
            await client.cut(event if self._is_stream_of_events else b"")
        else:
            headers, body = self._incoming.form.refusal(error, self.request_id)
            told = {name for name, _ in headers}
            ours = [each for each in self._ours(receipt) if each[0] not in told]
            await self._send(error.status, [*headers, *ours], body)

    @property
    def api(self) -> Api:
        return self._wanted.api

    @property
    def client_left(self) -> bool:
        """Whether the client had left before the end."""
        return self._client.gone.is_set()

    @property
    def request_id(self) -> str:
        """By which the call is found in the ledger."""
        return str(self.account.entry_id)

    async def _finish_whole(self, ending: Ending, receipt: TrackReceipt | None) -> None:
        held = self._held or b""
        if self._client.begun:
            await self._client.finish(held)
            return
        assert self._opened is not None  # noqa: S101 - it has an end
        headers = [*self._headers, *self._ours(receipt, ending.reported.get("model"))]
        await self._send(self._opened.answer.status, headers, held)

    async def _send(self, status: int, headers: Headers, body: bytes) -> None:
        await self._client.send_start(status, [*headers, (b"content-length", str(len(body)).encode())])
        await self._client.finish(body)

    async def _relay(self) -> None:
        """Send on what may be, as it comes."""
        assert self._opened is not None and self._reading is not None  # noqa: PT018, S101
        keep_alive = self._incoming.form.keep_alive if self._is_stream_of_events else b""
        relayed = await relay(self._opened.answer, self._reading, self._client, keep_alive=keep_alive)
        self.account.first_output = relayed.first_output_at
        self.account.keep_alives = relayed.keep_alives
        self.account.ended = time.perf_counter()
        if relayed.error is not None:
            raise relayed.error
        if relayed.ending == "gone" and not relayed.drained:
            raise ClientGoneError
        self._held = self._reading.end()

    def _reading_of(self, status: int, kind: str) -> Reading:
        if self._caching.found is not None:
            return StoredReading(self._caching.found)
        return self._caching.recorded(self._incoming.form.reading(self._wanted, status, kind))

    async def _read_until_something_passes(self, answer: UpstreamAnswer, reading: Reading) -> None:
        """Most answers are held back whole: what they cost is then told in their headers."""
        while chunk := await answer.chunk():
            if passed := reading.feed(chunk):
                await self._send_start(answer.status)
                await self._client.send(passed)
                return
        self.account.ended = time.perf_counter()
        self._held = reading.end()

    async def _send_start(self, status: int) -> None:
        if not self._client.gone.is_set():
            await self._client.send_start(status, [*self._headers, *self._ours(None), UNBUFFERED])

    def _ended(self) -> Ending:
        """The upstream has ended its answer by itself."""
        assert self._opened is not None and self._reading is not None  # noqa: PT018, S101
        status, reading = self._opened.answer.status, self._reading
        reported = self._reported()
        if status >= FAILED:
            return Ending(_STATUSES.get(status, CallStatus.ERROR), reading.failure or f"http_{status}", reported)
        if reading.failure is not None:
            if reading.failure == UNEXPECTED_CONTENT and not self._client.begun:
                self._error = UNEXPECTED
            return Ending(CallStatus.ERROR, reading.failure, reported)
        if not reading.complete:
            self._error = INCOMPLETE
            return Ending(CallStatus.ERROR, INCOMPLETE.code, reported)
        if self._wanted.stream and not (self._is_stream_of_events or self._is_a_list):
            self._error = NO_STREAM
            return Ending(CallStatus.ERROR, NO_STREAM.code, reported)
        self._caching.keep(self._opened.target, status, self._headers, self._wanted, reported)
        return Ending(reported=reported)

    def _failed(self, error: UpstreamError) -> Ending:
        """There is no answer, or no whole one."""
        self._error = gateway_error(error, self._wanted)
        self.account.ended = time.perf_counter()
        status = CallStatus.TIMEOUT if error.kind == "timeout" else CallStatus.ERROR
        if self._opened is None:
            may_bill = error.kind == "timeout" and error.reached
            return Ending(status, self._error.code, self._reported() if may_bill else {})
        self._attempts.broke_off(self._opened, error, self.account.started)
        return Ending(status, self._error.code, self._reported())

    def _left(self) -> Ending:
        """The client has left, or its key was revoked, and the answer was not read to its end; one from the cache is
        known to it.
        """
        settles = self._caching.found is not None
        if self._revoked:
            self._error = REVOKED
            return Ending(CallStatus.ERROR, REVOKED.code, self._reported(), settles=settles)
        return Ending(CallStatus.ERROR, "client_gone", self._reported(), settles=settles)

    def _reported(self) -> dict[str, Any]:
        """What the answer says was used, as far as it has come; of one that has not begun, a guess at what was sent."""
        target = self.account.target
        if not (self._was_asked or self._opened) or target is None:
            return {}
        reading = self._reading or self._incoming.form.reading(self._wanted, HTTPStatus.OK, JSON)
        if self._held is None:
            reading.end()
        return reading.reported(target.upstream.provider, target.model)

    @property
    def _is_a_list(self) -> bool:
        """Gemini streams a list, where nobody asks for events."""
        return self._wanted.stream and self._wanted.api is Api.GEMINI and self._kind.startswith(JSON)

    def _ours(self, receipt: TrackReceipt | None, model: str | None = None) -> Headers:
        """What the gateway says of the call."""
        target = self.account.target
        told = {
            "x-twinmeter-request-id": self.request_id,
            "x-twinmeter-model": quote(model or (target.model if target else ""), safe="/:@+,()"),
            "x-twinmeter-attempts": str(len(self.account.attempts)),
            "x-twinmeter-cache": self._caching.word,
        }
        if self._caching.found is not None:
            told["age"] = str(self._caching.age)
        if receipt is not None and receipt.cost is not None:
            told["x-twinmeter-cost"] = plain(receipt.cost)
        return [(name.encode(), value.encode()) for name, value in told.items()]
