"""In front of the router: requests in the providers' own APIs.

They go another way than all others: their bodies are larger, each API has the credential in a place of its own, errors
have the shape of the API that was asked, and an answer lasts for as long as a model speaks.
"""

import time
from contextlib import ExitStack
from traceback import extract_tb
from typing import NamedTuple

from bson import ObjectId
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from app.auth.principals import Principal
from app.errors import AppError
from app.gateway.access import policy_of
from app.gateway.formats.base import Api, Format, GatewayError, Headers
from app.gateway.formats.errors import gateway_error
from app.gateway.formats.known import FORMATS
from app.gateway.gateway import Gateway
from app.gateway.headers import forwarded
from app.gateway.neutral.requests import in_our_words
from app.gateway.requests import Incoming
from app.gateway.streams import Client
from app.gateway.upstreams import listing
from app.http.middleware import RequestLimits, add_headers
from app.observability.logs import Log
from models.key_policy import KeyPolicy, OnDisconnect
from routes.gateway.admission import body_of, caller_of, size_of
from routes.gateway.aliases import neutral
from routes.gateway.paths import Asked, asked_of
from routes.ingest import sender_of

log = Log(__name__)

JSON = (b"content-type", b"application/json")


class GatewayDoor:
    """For all addresses of `paths`."""

    def __init__(self, routed: ASGIApp, state: State, limits: RequestLimits) -> None:
        self._routed = routed
        self._state = state
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _asked(scope)
        if asked is None or (asked.is_left_out and self._state.get("gateway") is None):
            await self._routed(scope, receive, send)
        else:
            with self._limits.handling(scope, asked.template, open_ended=True):
                await self._answer(asked, scope, receive, _Answer(send, scope))

    async def _answer(self, asked: Asked, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            gateway = _there(self._state.get("gateway"), asked, scope.get("method"))
            if asked.is_greeting:
                await answer.whole(200, [JSON], b"{}")
                return
            caller = await caller_of(scope, self._state)
            if asked.models:
                await answer.whole(200, [JSON], _models(gateway, asked, policy_of(caller)))
            else:
                await _call(gateway, asked, caller, scope, _Exchange(receive, answer))
        except Exception as error:  # noqa: BLE001 - whatever it is, its answer has the form of the API
            if not isinstance(error, GatewayError | AppError):
                _tell(error)
            if not answer.begun:
                code = await _refuse(answer, FORMATS[asked.api], error)
                if (there := self._state.get("gateway")) is not None:
                    there.counters.refused(asked.api, code)


class _Answer:
    """What is sent, and whether anything was."""

    def __init__(self, send: Send, scope: Scope) -> None:
        self._send = send
        self._scope = scope
        self.begun = False

    async def send(self, message: Message) -> None:
        if not self.begun:
            self.begun = True
            await add_headers(message, self._scope)
        await self._send(message)

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})


class _Exchange(NamedTuple):
    """The two directions of a request."""

    receive: Receive
    answer: _Answer


def _asked(scope: Scope) -> Asked | None:
    if scope["type"] != ScopeType.HTTP:
        return None
    path, prefix = scope["path"], scope.get("root_path", "")
    asked = asked_of(path[len(prefix) :]) if path.startswith(prefix) else None
    if asked is None or asked.operation is not None or asked.api is not Api.OPENAI:
        return asked
    # what several APIs have at the same address is answered, and refused, as who asks understands it
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return asked._replace(api=listing.api_asked(headers) or Api.OPENAI)


def _there(gateway: Gateway | None, asked: Asked, method: object) -> Gateway:
    """The gateway, where it has what is asked. Raises GatewayError: 404 and 405."""
    if gateway is None:
        message = "this server is no gateway: TWINMETER_GATEWAY_FILE names no file of upstreams"
        raise GatewayError(404, "gateway_off", message, should_retry=False)
    if asked.is_left_out:
        message = "this gateway does not offer this address of the API; docs/gateway.md lists those that it does"
        raise GatewayError(404, "not_offered", message, should_retry=False)
    allowed = "GET" if asked.operation is None else "POST"
    if method != allowed:
        message = f"this address is asked by {allowed}"
        raise GatewayError(405, "method_not_allowed", message, should_retry=False, headers={"allow": allowed})
    return gateway


async def _call(gateway: Gateway, asked: Asked, caller: Principal, scope: Scope, exchange: _Exchange) -> None:
    assert asked.operation is not None  # noqa: S101 - it was looked at
    receive, answer = exchange
    most = gateway.settings.gateway_max_body_bytes
    headers = list(scope["headers"])
    policy, sent = policy_of(caller), forwarded(headers)
    with ExitStack() as claim:
        claimed = claim.enter_context(gateway.bodies.claimed(sender_of(caller), size_of(headers, most)))
        body = await body_of(receive, most, claimed)
        if body is None:
            return
        incoming = Incoming(
            form=FORMATS[asked.api],
            operation=asked.operation,
            path_model=asked.model,
            headers=headers,
            sent=sent,
            query=scope.get("query_string", b""),
            content_type=_value(headers, b"content-type"),
            body=body,
            since=time.perf_counter(),
            caller=caller,
            policy=policy,
            release=claim.close,
        )
        del body
        sender = None if asked.alias is None else neutral(asked.alias, incoming, gateway, answer.send)
        drains = gateway.drains if policy.on_disconnect is OnDisconnect.DRAIN else None
        client = Client(receive, answer.send if sender is None else sender.send, drains)
        try:
            await gateway.calls.answer(incoming, client)
        except GatewayError as error:
            raise error if sender is None else in_our_words(error) from None
        else:
            if sender is not None:
                await sender.close()
        finally:
            client.close()


def _models(gateway: Gateway, asked: Asked, policy: KeyPolicy) -> bytes:
    """What `GET models` answers: those that the key may use. Raises GatewayError."""
    for_gemini = asked.api is Api.GEMINI
    api = None if asked.api is Api.OPENAI else asked.api  # a client that does not say whose it is, is shown all
    if asked.model is None:
        rows = gateway.upstreams.models(policy.allows, api)
        return listing.listed_for_gemini(rows) if for_gemini else listing.listed(rows)
    row = gateway.upstreams.model(asked.model, policy.allows, api)
    if row is None:
        message = f"this gateway has no model {asked.model[:100]!r} here: GET /v1/models has those that its file names"
        raise GatewayError(404, "model_not_found", message, param="model", should_retry=False)
    return listing.single_for_gemini(row) if for_gemini else listing.single(row)


def _tell(fault: Exception) -> None:
    """Of a fault of ours, in the log: where it is, without its message, which may quote what was sent."""
    where = [f"{frame.name} {frame.filename}:{frame.lineno}" for frame in extract_tb(fault.__traceback__)]
    log.error("gateway.failed", error=type(fault).__name__, where=where)


async def _refuse(answer: _Answer, form: Format, error: Exception) -> str:
    """Answer with an error of ours, in the shape of the API that was asked. Returns its code."""
    told = gateway_error(error)
    headers, body = form.refusal(told, str(ObjectId()))
    await answer.whole(told.status, headers, body)
    return told.code


def _value(headers: Headers, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in headers if name == wanted), "")
