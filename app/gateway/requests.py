"""A request as the route hands it over, and what an upstream is sent of it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from app.auth.principals import Principal
from app.gateway.account import Ending, Whose
from app.gateway.formats.base import Api, Format, GatewayError, Headers, Operation, Wanted
from app.gateway.formats.members import checked_word
from app.gateway.transport import UpstreamRequest
from app.gateway.upstreams.hops import HEADER as HOP
from app.gateway.upstreams.upstreams import Target, Upstream
from app.tracking.receipt import TrackReceipt
from models.call import DEFAULT_CLIENT
from models.fields import MAX_NAME
from models.key_policy import KeyPolicy
from models.rollups import EVERYONE

USER = b"x-user-id"
_SAID = {
    b"x-twinmeter-content-type": "content_type",
    b"x-twinmeter-conversation-id": "conversation_id",
    b"x-twinmeter-campaign-id": "campaign_id",
    b"x-twinmeter-experiment": "experiment",
    b"x-twinmeter-variant": "variant",
}
"""Headers that name fields of the ledger's entry."""
SESSION = b"x-claude-code-session-id"
"""Of Claude Code: the conversation, where no header of ours names it."""
_PARAMETERS = {Api.GEMINI: {b"alt=sse"}, Api.ANTHROPIC: {b"beta=true"}}
_JSON = ("content-type", "application/json")
_VERSION = "anthropic-version"
_OF_THE_ANSWER = re.compile(r"accept|openai-beta|anthropic-.+")


@dataclass(slots=True)
class Incoming:
    """What a client asks of a provider's API."""

    form: Format
    operation: Operation
    path_model: str | None
    headers: Headers
    """With names in lower case."""
    sent: Sequence[tuple[str, str]]
    """Those of them that go on to an upstream."""
    query: bytes
    content_type: str
    body: bytes
    since: float
    """When all of it was there, by `time.perf_counter`."""
    caller: Principal
    policy: KeyPolicy
    release: Callable[[], None] = lambda: None
    """Gives back the room that the body takes, once nobody needs it any more."""
    recorded: Callable[[Ending, TrackReceipt | None], None] = lambda _, __: None
    """Told what became of the call, before the end of its answer is sent."""

    def forget_body(self) -> None:
        """No upstream will be sent it again."""
        self.body = b""
        self.release()


def named_in(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """What headers say of the call: its user as `user_id`, and fields of `AICall`. Raises GatewayError."""
    said: dict[str, str] = {}
    for name, value in raw:
        field = "user_id" if name == USER else _SAID.get(name)
        if field is not None and value:
            said[field] = _name(name, value)
        elif name == SESSION and value:
            said.setdefault("conversation_id", _name(name, value))
    if ("experiment" in said) != ("variant" in said):
        message = "x-twinmeter-experiment and x-twinmeter-variant belong together: send both or none"
        raise GatewayError(400, "invalid_header", message, should_retry=False)
    return said


def _name(header: bytes, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = ""
    if not text.isprintable() or not 0 < len(text) <= MAX_NAME:
        message = f"the header {header.decode()} must be text of 1 to {MAX_NAME} characters, in UTF-8"
        raise GatewayError(400, "invalid_header", message, should_retry=False)
    return text


def whose(incoming: Incoming, wanted: Wanted, said: dict[str, str]) -> Whose:
    """Who is billed: the user that the header names, else the body where the key lets it, else the key itself.

    Raises GatewayError for a user that is not the caller's own.
    """
    caller = incoming.caller
    if incoming.policy.content_type is not None:
        said.setdefault("content_type", incoming.policy.content_type)
    user = said.pop("user_id", None)
    if user is None and incoming.policy.user_from_body and wanted.user is not None:
        user = checked_word(wanted.user, "metadata.user_id" if wanted.api is Api.ANTHROPIC else "user")
    if caller.user is not None and user not in {None, caller.user}:
        message = "x-user-id names another user than the caller"
        raise GatewayError(403, "permission_denied", message, should_retry=False)
    return Whose(caller.user or user or caller.subject, client_of(caller), caller.key_id, said)


def client_of(caller: Principal) -> str:
    """The client that a caller's calls are of."""
    return DEFAULT_CLIENT if caller.client in {None, EVERYONE} else caller.client or DEFAULT_CLIENT


def request_for(incoming: Incoming, wanted: Wanted, target: Target, hop: str) -> UpstreamRequest:
    """What a target is sent."""
    upstream, form = target.upstream, incoming.form
    return UpstreamRequest(
        "POST",
        upstream.url(_path(incoming, wanted, target), target.model),
        _headers(incoming, target, hop),
        form.body_for(as_asked(wanted, upstream), incoming.body, target.model),
        upstream.connect_seconds,
        upstream.first_byte_seconds,
        upstream.silence_seconds,
    )


def as_asked(wanted: Wanted, upstream: Upstream) -> Wanted:
    """An upstream that tells the usage of its streams by itself is not asked for it."""
    return replace(wanted, asks_usage=True) if upstream.stream_usage == "given" else wanted


def passed_on(incoming: Incoming, wanted: Wanted) -> list[tuple[str, str]]:
    """What a request says beside its body of the answer that it wants: of which version of the API, with which of its
    betas, in which form.
    """
    kept = [each for each in incoming.sent if _OF_THE_ANSWER.fullmatch(each[0])]
    return [*kept, *(("query", each.decode()) for each in _parameters(incoming, wanted))]


def _parameters(incoming: Incoming, wanted: Wanted) -> list[bytes]:
    """Those of the client's query that say in which form it wants the answer, and nothing else of it: it may have a
    key.
    """
    return [each for each in incoming.query.split(b"&") if each in _PARAMETERS.get(wanted.api, ())]


def _path(incoming: Incoming, wanted: Wanted, target: Target) -> str:
    path = incoming.form.path_for(wanted.operation, target.model)
    if not (kept := _parameters(incoming, wanted)):
        return path
    return f"{path}{'&' if '?' in path else '?'}{b'&'.join(kept).decode()}"


def _headers(incoming: Incoming, target: Target, hop: str) -> list[tuple[str, str]]:
    """Those of the client that may pass, and over them the upstream's own: all but the version of the API, which is
    the client's to say.
    """
    sent = incoming.sent
    versioned = any(name == _VERSION for name, _ in sent)
    own = [each for each in target.upstream.headers_by(incoming.form) if not (versioned and each[0] == _VERSION)]
    taken = {name.lower() for name, _ in own}
    headers = [*own, *(each for each in sent if each[0] not in taken), (HOP, hop)]
    return headers if incoming.content_type else [*headers, _JSON]
