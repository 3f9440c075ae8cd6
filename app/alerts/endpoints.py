"""Where messages go, as administrators manage it."""

import re
from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial
from ipaddress import ip_address
from typing import Any

import httpx
from bson import ObjectId

from app import audit
from app.alerts.addresses import Address, Outside
from app.alerts.recording import Clock
from app.alerts.seals import Seals, new_secret
from app.database import Database, Session
from app.database.outages import answering
from app.database.transactions import transact
from app.errors import ConflictError, NotFoundError, invalid
from app.observability.logs import Log
from models.alerts import (
    DELIVERIES,
    ENDPOINTS,
    AlertKind,
    DeliveryState,
    Endpoint,
    EndpointKind,
    EndpointState,
    Secret,
)
from models.audit import Target
from models.documents import Document
from models.moments import moment_now
from models.shape import stored_value

CHANGE_SECONDS = 5.0
BOTH_SIGN_FOR = timedelta(hours=24)
"""How long the old secret signs beside a new one."""
MOST_ENDPOINTS, MOST_OF_A_CLIENT = 100, 20
"""That are not ended, of the deployment and of each client: each may have a few messages on their way at once."""
MAX_URL = 2_000
MAX_PORT = 65_535
LONG_PART = 20
"""Characters of a part of a path that may be a key."""
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")

log = Log(__name__)


class Endpoints:
    """Those of a deployment. `client` is the only one whose endpoints are seen and changed; None for all."""

    def __init__(
        self, database: Database, seals: Seals, outside: Outside, *, mail: bool, clock: Clock = moment_now
    ) -> None:
        """`mail`: whether there is a server for e-mail."""
        self._database = database
        self._endpoints = database.writes[ENDPOINTS]
        self._seals = seals
        self._outside = outside
        self._mail = mail
        self._clock = clock

    async def create(
        self,
        *,
        kind: EndpointKind,
        name: str,
        url: str | None = None,
        addresses: Sequence[str] = (),
        kinds: Collection[AlertKind] = (),
        client: str | None,
        by: str,
    ) -> tuple[Endpoint, str | None]:
        """A new endpoint, and the secret of a webhook, which cannot be retrieved again. Raises InvalidRequestError."""
        secret = new_secret() if kind is EndpointKind.WEBHOOK else None
        at = self._clock()
        endpoint = Endpoint(
            id=str(ObjectId()),
            name=name,
            kind=kind,
            **self._target(kind, url, addresses),
            secrets=() if secret is None else (Secret(sealed=self._seals.sealed(secret)),),
            client_id=client,
            kinds=tuple(sorted(set(kinds))),
            state_since=at,
            created_at=at,
            created_by=by,
        )
        with answering(CHANGE_SECONDS):
            await transact(self._database, partial(self._insert, endpoint))
        log.info("endpoint.created", endpoint=endpoint.id, kind=kind.value, client=client, by=by)
        return endpoint, secret

    async def _insert(self, endpoint: Endpoint, session: Session | None) -> None:
        most = MOST_ENDPOINTS if endpoint.client_id is None else MOST_OF_A_CLIENT
        theirs = {"clientId": {"$eq": endpoint.client_id}, "state": {"$ne": EndpointState.ENDED.value}}
        if await self._endpoints.count_documents(theirs, session=session) >= most:
            raise ConflictError(f"there are {most} endpoints already; end one that is not needed")
        await self._endpoints.insert_one(endpoint.stored(), session=session)
        await audit.record(self._database, session, "endpoint.created", target_of(endpoint), after=endpoint)

    async def all(self, client: str | None, *, ended: bool | None = None) -> list[Endpoint]:
        """The newest first; only those that have ended, or have not, where that is said."""
        chosen = _of(client)
        if ended is not None:
            chosen["state"] = {"$eq" if ended else "$ne": EndpointState.ENDED.value}
        with answering(CHANGE_SECONDS):
            return [
                Endpoint.model_validate(each)
                async for each in self._endpoints.find(chosen).sort([("createdAt", -1), ("_id", -1)])
            ]

    async def one(self, endpoint_id: str, client: str | None) -> Endpoint:
        """Raises NotFoundError."""
        with answering(CHANGE_SECONDS):
            stored = await self._endpoints.find_one({"_id": {"$eq": endpoint_id}, **_of(client)})
        return _found(stored, endpoint_id)

    async def change(
        self,
        endpoint_id: str,
        client: str | None,
        *,
        name: str | None = None,
        url: str | None = None,
        addresses: Sequence[str] | None = None,
        kinds: Collection[AlertKind] | None = None,
        on: bool | None = None,
    ) -> Endpoint:
        """Change what is given. Raises NotFoundError, ConflictError for an ended one, and InvalidRequestError."""
        endpoint = await self._open(endpoint_id, client)
        changes: Document = {}
        if name is not None:
            changes["name"] = name
        if kinds is not None:
            changes["kinds"] = sorted({kind.value for kind in kinds})
        if url is not None or addresses is not None:
            target = self._target(endpoint.kind, url, addresses or ())
            changes |= {"shown": target["shown"], "addresses": list(target.get("addresses", ()))}
            changes |= {"sealedUrl": target["sealed_url"]} if url is not None else {}
        if on is not None and on is not (endpoint.state is EndpointState.ON):
            state = EndpointState.ON if on else EndpointState.OFF
            changes |= {"state": state.value, "stateSince": self._clock()}
        changed = await self._set(endpoint, changes) if changes else endpoint
        if changed.state is not EndpointState.ON:
            await self._stop(endpoint_id)
        return changed

    async def rotate(self, endpoint_id: str, client: str | None) -> tuple[Endpoint, str]:
        """A new secret, which cannot be retrieved again. For a day the one before signs, too."""
        endpoint = await self._open(endpoint_id, client)
        if endpoint.kind is not EndpointKind.WEBHOOK:
            raise ConflictError("only the messages of webhooks are signed")
        secret, at = new_secret(), self._clock()
        before = [each.model_copy(update={"until": at + BOTH_SIGN_FOR}) for each in endpoint.secrets[:1]]
        secrets = [Secret(sealed=self._seals.sealed(secret)), *before]
        return await self._set(endpoint, {"secrets": [each.stored() for each in secrets]}), secret

    async def end(self, endpoint_id: str, client: str | None) -> Endpoint:
        """For good: what waits to be sent there is stopped. Repeating it changes nothing."""
        endpoint = await self.one(endpoint_id, client)
        if endpoint.state is EndpointState.ENDED:
            return endpoint
        return await self._leave(endpoint, EndpointState.ENDED)

    async def gone(self, endpoint: Endpoint) -> None:
        """It answered that it wants no more. Raises PyMongoError."""
        log.warning("endpoint.gone", endpoint=endpoint.id, kind=endpoint.kind.value)
        await self._leave(endpoint, EndpointState.GONE)

    async def _leave(self, endpoint: Endpoint, state: EndpointState) -> Endpoint:
        left = await self._set(endpoint, {"state": state.value, "stateSince": self._clock()})
        await self._stop(endpoint.id)
        return left

    async def _stop(self, endpoint_id: str) -> None:
        """What waits to be sent there is not. A message that is just being recorded is stopped when its turn comes."""
        waiting = {"endpoint": endpoint_id, "state": DeliveryState.PENDING.value}
        with answering(CHANGE_SECONDS):
            await self._database.writes[DELIVERIES].update_many(
                waiting, {"$set": {"state": DeliveryState.STOPPED.value}, "$unset": {"claim": ""}}
            )

    async def _open(self, endpoint_id: str, client: str | None) -> Endpoint:
        endpoint = await self.one(endpoint_id, client)
        if endpoint.state is EndpointState.ENDED:
            raise ConflictError(f"endpoint {endpoint_id} has ended; make a new one")
        return endpoint

    async def _set(self, endpoint: Endpoint, changes: Document) -> Endpoint:
        """Raises ConflictError where it was ended or rotated meanwhile."""
        unchanged: Document = {"_id": endpoint.id, "state": endpoint.state.value}
        if "secrets" in changes:
            unchanged["secrets"] = [each.stored() for each in endpoint.secrets]

        async def work(session: Session | None) -> Endpoint:
            before = await self._endpoints.find_one(unchanged, session=session)
            if before is None:
                raise ConflictError(f"endpoint {endpoint.id} was changed at the same time; look at it again")
            after = before | stored_value(changes)
            await self._endpoints.replace_one({"_id": endpoint.id}, after, session=session)
            done = "ended" if changes.get("state") == EndpointState.ENDED.value else "changed"
            await audit.record(
                self._database, session, f"endpoint.{done}", target_of(endpoint), before=before, after=after
            )
            return Endpoint.model_validate(after)

        with answering(CHANGE_SECONDS):
            return await transact(self._database, work)

    def _target(self, kind: EndpointKind, url: str | None, addresses: Sequence[str]) -> dict[str, Any]:
        """What is stored of where messages go. Raises InvalidRequestError."""
        if kind is EndpointKind.EMAIL:
            if url is not None or not addresses:
                raise invalid("addresses", "must name who gets e-mail, and url is left out")
            if not self._mail:
                raise invalid("kind", "must not be email: this deployment has no server for it (TWINMETER_SMTP_HOST)")
            return {"addresses": tuple(dict.fromkeys(addresses)), "shown": ", ".join(dict.fromkeys(addresses))}
        if url is None or addresses:
            raise invalid("url", f"must say where a {kind.value} is, and addresses is left out")
        parsed = self._checked(url)
        return {"sealed_url": self._seals.sealed(url), "shown": _shown(kind, parsed)}

    def _checked(self, text: str) -> httpx.URL:
        """Raises InvalidRequestError."""
        url = _parsed(text)
        if url.userinfo:
            raise invalid("url", "must not contain a user or a password")
        if url.scheme == "http" and not self._outside.has_private:
            raise invalid("url", "must begin with https://")
        address = _address(url)
        # a name is checked whenever it is connected to
        if address is not None and not self._outside.permits(address):
            raise invalid("url", "is a private address (see TWINMETER_WEBHOOKS_TO_PRIVATE_ADDRESSES)")
        return url


def target_of(endpoint: Endpoint) -> Target:
    return Target(kind="endpoint", id=endpoint.id, client_id=endpoint.client_id, name=endpoint.name)


def _parsed(text: str) -> httpx.URL:
    """Raises InvalidRequestError for what is no URL of a server."""
    message = f"must be a URL such as https://shop.example/hooks, of {MAX_URL:,} characters at most"
    try:
        url = httpx.URL(text)
        named = url.host and (_address(url) or _NAME.fullmatch(url.raw_host.decode()))
    except (httpx.InvalidURL, ValueError) as error:
        raise invalid("url", message) from error
    port = url.port is None or 0 < url.port <= MAX_PORT
    if len(text) > MAX_URL or url.scheme not in {"https", "http"} or not named or not port or url.fragment:
        raise invalid("url", message)
    return url


def _address(url: httpx.URL) -> Address | None:
    """None where its host is a name."""
    try:
        return ip_address(url.raw_host.decode())
    except ValueError:
        return None


def _shown(kind: EndpointKind, url: httpx.URL) -> str:
    """Of a URL of Slack the path is the credential; of a webhook the query may be one, or a long part of the path."""
    place = f"{url.scheme}://{url.netloc.decode('ascii')}"
    if kind is EndpointKind.SLACK:
        return f"{place}/…"
    path = "/".join(part if len(part) < LONG_PART else "…" for part in url.path.split("/"))
    return f"{place}{path}" + ("?…" if url.query else "")


def _found(stored: Document | None, endpoint_id: str) -> Endpoint:
    if stored is None:
        raise NotFoundError(f"there is no endpoint {endpoint_id}")
    return Endpoint.model_validate(stored)


def _of(client: str | None) -> Document:
    return {} if client is None else {"clientId": {"$eq": client}}
