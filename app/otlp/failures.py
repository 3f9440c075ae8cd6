"""The OTLP/HTTP response to an export that was refused: a google.rpc.Status, in the encoding of the request."""

from typing import Any

from litestar import Request, Response
from litestar.types import ExceptionHandlersMap

from app.errors import OverloadedError
from app.http import problems
from app.otlp import messages

SERVICE_UNAVAILABLE = 503


def _in_otlps_form(describe: Any) -> Any:
    def handler(request: Request[Any, Any, Any], error: Any) -> Response[bytes]:
        described = describe(request, error)
        # of the two that a sender may retry, the one that all exporters do: some drop an export on 429
        status = SERVICE_UNAVAILABLE if isinstance(error, OverloadedError) else described.status_code
        retry_after = (described.headers or {}).get("Retry-After")
        protobuf = request.headers.get("content-type", "").startswith(messages.PROTOBUF)
        return Response(
            messages.failure(status, described.content["detail"], retry_after=retry_after, as_json=not protobuf),
            status_code=status,
            media_type=messages.PROTOBUF if protobuf else messages.JSON,
            headers=described.headers,
        )

    return handler


HANDLERS: ExceptionHandlersMap = {kind: _in_otlps_form(describe) for kind, describe in problems.HANDLERS.items()}
"""For the controller of OTLP: the errors of every other route are problems (RFC 9457)."""
