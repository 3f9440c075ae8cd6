"""Pseudonymization of documents: the twins of a call, and other events, without personal data."""

import hmac
import re
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Self

from models import AI_GENERATION
from models.documents import Document

PREFIX = "erased-"
CHARACTERS = 16
SECRET_BYTES = 32

IDENTIFYING = ("ipAddress", "userAgent", "metadata", "errorMessage")
"""What an entry may say about a person beside the names: none of it affects any figure."""

Conversation = tuple[str, str]
"""A client and the id of one of its conversations."""


@dataclass(frozen=True, slots=True)
class Rename:
    """From a user's ids to pseudonyms, which are random, so that nobody can trace them back."""

    user: str
    client: str | None
    """None for every client."""
    pseudonym: str
    secret: bytes = field(repr=False)
    """Keeps the calls of a conversation together; dropped when all are renamed."""
    shared: frozenset[Conversation] = frozenset()
    """Conversations that others take part in too, which keep their ids."""

    @classmethod
    def fresh(cls, user: str, client: str | None) -> Self:
        return cls(user, client, PREFIX + secrets.token_hex(CHARACTERS // 2), secrets.token_bytes(SECRET_BYTES))

    def concerns(self, document: Document) -> bool:
        """Whether an entry or event is of this user."""
        return document["userId"] == self.user and self._in_scope(document)

    def knows(self, event: Document) -> bool:
        """Whether an event names this user by its external id."""
        return event.get("clerkUserId") == self.user and self._in_scope(event)

    def without(self, value: Any) -> Any:
        """A value with the pseudonym wherever a text in it names the user."""
        match value:
            case str():
                return self._named.sub(self.pseudonym, value)
            case list():
                return [self.without(each) for each in value]
            case dict():
                return {name: self.without(each) for name, each in value.items()}
        return value

    @property
    def _named(self) -> re.Pattern[str]:
        return re.compile(rf"(?<![\w.@-]){re.escape(self.user)}(?![\w@-]|\.\w)")

    def conversation(self, client: str, conversation: str) -> str:
        if (client, conversation) in self.shared:
            return conversation
        digest = hmac.new(self.secret, f"{client}\0{conversation}".encode(), sha256).hexdigest()
        return PREFIX + digest[:CHARACTERS]

    def _in_scope(self, document: Document) -> bool:
        return self.client is None or document["clientId"] == self.client


def erased_pair(entry: Document, event: Document, rename: Rename) -> tuple[Document, Document]:
    """Both twins of a call under their pseudonym; unchanged where they belong to somebody else."""
    return erased_entry(entry, rename), erased_event(event, rename)


def erased_entry(entry: Document, rename: Rename) -> Document:
    if not rename.concerns(entry):
        return entry
    erased = {name: value for name, value in entry.items() if name not in IDENTIFYING}
    erased["userId"] = rename.pseudonym
    if (conversation := entry.get("conversationId")) is not None:
        erased["conversationId"] = rename.conversation(entry["clientId"], conversation)
    return erased


def erased_event(event: Document, rename: Rename) -> Document:
    """Without the external id. Events that are not twins lose their properties too, which may contain anything.

    An event of another user id that names this user by its external id loses only that id: it may have a twin, and is
    erased with its own user id.
    """
    if not rename.concerns(event):
        if not rename.knows(event):
            return event
        return {name: value for name, value in event.items() if name != "clerkUserId"}
    erased = {name: value for name, value in event.items() if name != "clerkUserId"}
    erased["userId"] = rename.pseudonym
    if event["event"] != AI_GENERATION:
        erased["properties"] = {}
    return erased
