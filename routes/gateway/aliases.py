"""Addresses of our own: `/v1/generate`, `/v1/chat`, `/v1/chat/stream`, `/v1/images/generate`, `/v1/videos/generate`.

They are asked in one form for all providers, and go the way of every call.
"""

from litestar.types import Send

from app.gateway.formats.base import GatewayError, Headers
from app.gateway.formats.known import FORMATS
from app.gateway.gateway import Gateway
from app.gateway.neutral.bodies import Alias
from app.gateway.neutral.requests import request_of
from app.gateway.neutral.sender import NeutralSender
from app.gateway.requests import Incoming

_OF_THE_BODY = frozenset({"content-type", "accept"})


def neutral(alias: Alias, incoming: Incoming, gateway: Gateway, send: Send) -> NeutralSender:
    """Make it a request of the API that its model has. Returns what turns the answer into our own form, on its way to
    `send`. Raises GatewayError.
    """
    upstreams = gateway.upstreams
    request = request_of(
        alias,
        incoming.body,
        upstreams.catalog.defaults.get(alias.kind),
        lambda model: upstreams.model(model, incoming.policy.allows),
    )
    incoming.form, incoming.operation = FORMATS[request.api], request.operation
    incoming.path_model, incoming.query = request.path_model, request.query
    incoming.headers = _with(incoming.headers, request.said)
    incoming.sent = [each for each in incoming.sent if each[0] not in _OF_THE_BODY]
    incoming.content_type, incoming.body = "", request.body
    sender = NeutralSender(request, send)
    incoming.recorded = sender.recorded.take
    return sender


def _with(headers: Headers, said: Headers) -> Headers:
    """Raises GatewayError where a header says something else than the body."""
    given = dict(headers)
    for name, value in said:
        if given.get(name, value) != value:
            message = f"the header {name.decode()} and the body say different things; send one of them"
            raise GatewayError(400, "invalid_header", message, should_retry=False)
    return [*headers, *(each for each in said if each[0] not in given)]
