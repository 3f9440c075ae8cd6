"""What has gone wrong with an upstream, said without an address: that may have a key in it."""

import os

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from app.gateway.transport import FailureKind, UpstreamError

BREAKS = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError, ValueError)
"""What aiohttp raises where there is no answer, or no more of it."""
_BEFORE_IT_WAS_SENT: tuple[tuple[type[Exception], FailureKind, str], ...] = (
    (aiohttp.ClientConnectorDNSError, "dns", "the upstream's name has no address"),
    (aiohttp.ClientConnectorCertificateError, "tls", "the upstream's certificate is not valid"),
    (aiohttp.ClientSSLError, "tls", "the upstream does not speak TLS as it should"),
    (aiohttp.ClientProxyConnectionError, "connect", "the proxy cannot be reached"),
    (aiohttp.ClientHttpProxyError, "connect", "the proxy refused to connect to the upstream"),
    (aiohttp.ClientConnectorError, "connect", "the upstream cannot be reached"),
    (aiohttp.ConnectionTimeoutError, "connect", "there was no connection to the upstream in time"),
)
_AFTER: tuple[tuple[type[Exception], FailureKind, str], ...] = (
    (LineTooLong, "too_large", "the headers of the upstream's answer are too large"),
    (TimeoutError, "timeout", "the upstream did not begin to answer in time"),
    (aiohttp.ClientResponseError, "protocol", "the upstream's answer is no HTTP"),
    (HttpProcessingError, "protocol", "the upstream's answer is no HTTP"),
    (aiohttp.InvalidURL, "protocol", "the upstream's address, or that of the proxy, is none"),
)
_CUT = "the upstream closed the connection before its answer was complete"


def failure_of(error: Exception, *, sent: bool = True) -> UpstreamError:
    """What it means. `sent` says whether anything of the request may have left."""
    for type_, kind, message in _BEFORE_IT_WAS_SENT:
        if isinstance(error, type_):
            return UpstreamError(kind, _with_reason(message, error), reached=False)
    if isinstance(error, aiohttp.ClientPayloadError):
        return UpstreamError("cut", _CUT)
    causes = _causes(error)
    for type_, kind, message in _AFTER:
        if any(isinstance(cause, type_) for cause in causes):
            return UpstreamError(kind, message, reached=sent)
    if type(error) is ValueError:  # by aiohttp, of a header
        return UpstreamError("protocol", "the request cannot be sent as it stands", reached=False)
    return UpstreamError("cut", _CUT, reached=sent)


def _with_reason(message: str, error: Exception) -> str:
    """What the system or the certificate's check says, which names no address."""
    certificate = getattr(error, "certificate_error", None)
    number = getattr(error, "errno", None)
    if certificate is not None:
        reason = getattr(certificate, "verify_message", None)
    else:
        reason = os.strerror(number) if number and number > 0 else None  # those below are the resolver's own
    return f"{message}: {reason}" if reason else message


def _causes(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__
    return causes
