"""Messages over HTTP: webhooks, signed as Standard Webhooks says, and those of Slack and what is compatible with it."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

import httpx
from standardwebhooks import Webhook

from app import __version__
from app.alerts.addresses import CheckedTransport, ForbiddenAddressError
from app.alerts.recording import Clock
from app.alerts.seals import BrokenSealError, Seals
from app.alerts.sending import ATTEMPT_SECONDS, Outcome
from app.alerts.slack import message_of
from app.http.serialization import encode
from models.alerts import Alert, Delivery, Endpoint, Secret
from models.moments import moment_now

USER_AGENT = f"twinmeter/{__version__}"


class Posts:
    """Sends messages to URLs. Redirects are not followed, answers not read, connections not kept."""

    def __init__(self, transport: CheckedTransport, seals: Seals, clock: Clock = moment_now) -> None:
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=ATTEMPT_SECONDS,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": USER_AGENT},
        )
        self._seals = seals
        self._clock = clock

    async def webhook(self, endpoint: Endpoint, alert: Alert, _: Delivery) -> Outcome:
        """The id of the message is the alert's, on each attempt; its time is that of the attempt."""
        try:
            headers = signed(alert.id, alert.body, self._clock(), self._secrets(endpoint))
        except BrokenSealError as error:
            return Outcome(error=error.detail)
        return await self._post(endpoint, alert.body.encode(), headers)

    async def slack(self, endpoint: Endpoint, alert: Alert, _: Delivery) -> Outcome:
        return await self._post(endpoint, encode(message_of(alert)), {})

    def _secrets(self, endpoint: Endpoint) -> list[str]:
        at = self._clock()
        return [self._seals.opened(each.sealed) for each in endpoint.secrets if _holds(each, at)]

    async def _post(self, endpoint: Endpoint, body: bytes, headers: Mapping[str, str]) -> Outcome:
        try:
            url = self._seals.opened(endpoint.sealed_url or "")
            async with self._client.stream(
                "POST", url, content=body, headers={"Content-Type": "application/json", **headers}
            ) as response:
                return outcome_of(response.status_code)
        except BrokenSealError as error:
            return Outcome(error=error.detail)
        except ForbiddenAddressError as error:
            return Outcome(error=str(error))
        except httpx.HTTPError as error:
            return Outcome(error=_words(error))

    async def close(self) -> None:
        await self._client.aclose()


def outcome_of(status: int) -> Outcome:
    """Only 2xx is success."""
    if HTTPStatus(HTTPStatus.OK) <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Outcome(status)
    if status == HTTPStatus.GONE:
        return Outcome(status, "answered 410: it wants no more, and was switched off", gone=True)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Outcome(status, f"answered {status}: redirects are not followed")
    return Outcome(status, f"answered {status}")


def signed(message_id: str, body: str, at: datetime, secrets: list[str]) -> dict[str, str]:
    """The headers of a message: a signature by each secret that holds."""
    signatures = [Webhook(secret).sign(message_id, at, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _holds(secret: Secret, at: datetime) -> bool:
    return secret.until is None or at < secret.until


def _words(error: httpx.HTTPError) -> str:
    """Without what the library says of addresses and paths."""
    match error:
        case httpx.ConnectError() if "CERTIFICATE" in str(error).upper():
            return "its certificate is not valid"
        case httpx.ConnectError():
            return "no connection"
        case httpx.RemoteProtocolError():
            return "the answer is not HTTP, or broke off"
    return f"no answer: {type(error).__name__}"
