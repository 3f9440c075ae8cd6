"""Clients with users whose limits are soon spent: the drill makes the next ones before that."""

import asyncio
import itertools
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, NamedTuple

import httpx
import msgspec

from app.auth.principals import Role
from app.auth.tokens import Tokens
from scripts.drill.limits.kinds import KINDS, OF_CLIENT, Kind, Limited
from scripts.drill.load import BUSY, RETRY_SECONDS
from scripts.drill.server import DrillError, Server

LIFETIME = timedelta(days=1)
encode = msgspec.json.Encoder(decimal_format="number").encode


class User(NamedTuple):
    """Somebody who calls, and through which client."""

    id: str
    kind: Kind
    client: str


class Made(NamedTuple):
    """A limit as it was made."""

    id: str
    limited: Limited
    scope: dict[str, str]
    loose: bool
    """Whether calls count for which nobody has asked."""


class Cohort:
    """Two clients, their users, and the limits of all. Through one of them nothing is reported without having asked."""

    def __init__(self, number: int, server: Server) -> None:
        self.name = str(number)
        self.client = f"client-{number}"
        loose = f"loose-{number}"
        self.users: Sequence[User] = [
            User(f"{name}-{number}", kind, loose if kind.loose else self.client) for name, kind in KINDS.items()
        ]
        self.made: list[Made] = []
        self.headers = {client: _headers(server, client) for client in (self.client, loose)}

    def any(self, rng: random.Random) -> User:
        return rng.choice(self.users)

    async def make(self, http: httpx.AsyncClient, servers: Sequence[Server]) -> None:
        """Have an administrator make all the limits. Raises DrillError."""
        scopes = [
            (user.kind.loose, {"userId": user.id}, limited) for user in self.users for limited in user.kind.limits
        ]
        scopes += [(client != self.client, {"clientId": client}, OF_CLIENT) for client in self.headers]
        bodies = [limited.body(scope) for _, scope, limited in scopes]
        answers = await asyncio.gather(*(made(http, servers, body) for body in bodies))
        for answer, (loose, scope, limited) in zip(answers, scopes, strict=True):
            self.made.append(Made(answer["id"], limited, scope, loose))


def _headers(server: Server, client: str) -> dict[str, str]:
    token = Tokens.of(server.settings).issue("drill", Role.SERVICE, LIFETIME, client)
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


@contextmanager
def may_be_gone() -> Iterator[None]:
    """A server may be killed at any moment of a request; also between its connection and the look at its address, for
    which anyio has no error of its own.
    """
    try:
        yield
    except httpx.TransportError:
        pass
    except AttributeError as error:
        if "getpeername" not in str(error):
            raise


async def made(http: httpx.AsyncClient, servers: Sequence[Server], body: dict[str, Any]) -> dict[str, Any]:
    """A limit, by whichever server answers. Where one ended in the middle of it there may be two, which are alike."""
    for server in itertools.cycle(servers):
        if server.answering.is_set():
            with may_be_gone(), suppress(BusyError):
                return await created(http, server, "/api/admin/limits", body)
        await asyncio.sleep(RETRY_SECONDS)
    raise AssertionError("unreachable: the cycle never ends")


class BusyError(DrillError):
    """Nothing was created, for now."""


async def created(http: httpx.AsyncClient, server: Server, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What an administrator creates. Raises DrillError."""
    answer = await http.post(server.address + path, content=encode(body), headers=server.headers)
    if answer.status_code in BUSY:
        raise BusyError(f"{path} answered {answer.status_code}: {answer.text[:500]}")
    if answer.status_code != httpx.codes.CREATED:
        raise DrillError(f"{path} answered {answer.status_code}: {answer.text[:500]}")
    found: dict[str, Any] = answer.json()
    return found
